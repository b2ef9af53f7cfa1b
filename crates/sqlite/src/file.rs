//! The file and who may read it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::open::OpenError;

/// Makes the file if there is none, and refuses one that others can read. Gives its absolute path.
///
/// SQLite gives the files that it puts beside it (`-wal`, `-shm`) the same permissions.
pub(crate) fn prepare(path: &Path) -> Result<PathBuf, OpenError> {
    let failed = |source| OpenError::File { path: path.to_owned(), source };
    let file = create(path).map_err(failed)?;
    let is_file = file.metadata().map_err(failed)?.is_file();
    drop(file);
    if !is_file {
        return Err(OpenError::NotAFile { path: path.to_owned() });
    }
    // Absolute, so that it stays the same file when the working directory changes, and so that no name,
    // like `:memory:`, means anything special to SQLite.
    let path = fs::canonicalize(path).map_err(failed)?;
    for suffix in ["", "-wal", "-shm"] {
        check_owner_only(&with_suffix(&path, suffix))?;
    }
    Ok(path)
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(unix)]
fn check_owner_only(path: &Path) -> Result<(), OpenError> {
    use std::os::unix::fs::PermissionsExt;
    match fs::metadata(path) {
        Ok(metadata) if metadata.permissions().mode() & 0o077 == 0 => Ok(()),
        Ok(metadata) => Err(OpenError::Permissions {
            path: path.to_owned(),
            mode: metadata.permissions().mode() & 0o777,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(OpenError::File { path: path.to_owned(), source }),
    }
}

/// Other systems have no such bits: there the directory has to protect the file.
#[cfg(not(unix))]
fn check_owner_only(_path: &Path) -> Result<(), OpenError> {
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
