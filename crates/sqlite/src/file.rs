//! The file and who may read it.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::open::OpenError;

/// Held while a file is opened: see [`create`].
static OPENING: Mutex<()> = Mutex::new(());

/// One opening at a time in this process.
pub(crate) fn one_at_a_time() -> MutexGuard<'static, ()> {
    OPENING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the file if there is none, and refuses one that others can read. Gives its absolute path.
///
/// SQLite gives the files that it puts beside it (`-wal`, `-shm`, `-journal`) the same permissions.
pub(crate) fn prepare(path: &Path) -> Result<PathBuf, OpenError> {
    let failed = |source| OpenError::File { path: path.to_owned(), source };
    create(path).map_err(failed)?;
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(OpenError::NotAFile { path: path.to_owned() });
    }
    // Absolute, so that it stays the same file when the working directory changes, and so that no name,
    // like `:memory:`, means anything special to SQLite.
    let path = fs::canonicalize(path).map_err(failed)?;
    for suffix in ["", "-wal", "-shm", "-journal"] {
        check_owner_only(&with_suffix(&path, suffix))?;
    }
    Ok(path)
}

/// Makes the file, and never opens one that is there. When a process closes a file, the system drops all of its
/// locks on that file, also those that SQLite holds through another descriptor, and another process would
/// take the write-ahead log for abandoned. For the same reason nobody in this process may begin to use the
/// new file before it is closed here.
fn create(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
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
