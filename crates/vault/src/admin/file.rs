//! Exports in files.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom};
use std::path::Path;

use super::TransferError;
use super::export::{ExportPosition, ExportReport, export, export_position, first_line};
use super::import::{ImportReport, import};
use crate::seal::Sealer;
use crate::vault::Vault;

/// What [`export_to_file`] does with a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExistingFile {
    /// Leave it alone and fail.
    Refuse,
    /// Go on where the export in it was broken off. Without such a file, begin.
    GoOn,
}

/// As [`export`], to a file that only its owner may read. It is on the disk when this returns.
///
/// # Errors
///
/// As for [`export`], and [`TransferError::Exists`], [`TransferError::NotAnExport`] and [`TransferError::Permissions`]
/// for files that are there.
pub async fn export_to_file(
    vault: &dyn Vault,
    path: &Path,
    existing: ExistingFile,
    progress: impl FnMut(&ExportReport) + Send,
) -> Result<ExportReport, TransferError> {
    let (file, position) = match create(path) {
        Ok(file) => (file, None),
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
        Err(_) if existing == ExistingFile::Refuse => {
            return Err(TransferError::Exists { path: path.to_owned() });
        }
        Err(_) => open_again(path).map(|(file, position)| (file, Some(position)))?,
    };
    let mut out = BufWriter::new(file);
    let report = export(vault, &mut out, position, progress).await?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(report)
}

/// As [`import`], from a file.
///
/// # Errors
///
/// As for [`import`].
pub async fn import_from_file(
    vault: &dyn Vault,
    sealer: &Sealer,
    path: &Path,
    progress: impl FnMut(&ImportReport) + Send,
) -> Result<ImportReport, TransferError> {
    import(vault, sealer, BufReader::new(File::open(path)?), progress).await
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The file without what is behind its last whole line, at its end.
fn open_again(path: &Path) -> Result<(File, ExportPosition), TransferError> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    check_owner_only(path, &file)?;
    let position = export_position(BufReader::new(&file))?;
    // Cut off before its first line had an end: that is the start of an export, or no export at all.
    if position.len == 0 && !begins_export(&mut file)? {
        return Err(TransferError::NotAnExport { path: path.to_owned() });
    }
    file.set_len(position.len)?;
    file.seek(SeekFrom::Start(position.len))?;
    Ok((file, position))
}

/// Whether the file holds some or none of the first line of an export, and nothing else.
fn begins_export(file: &mut File) -> Result<bool, TransferError> {
    let first = first_line()?;
    file.seek(SeekFrom::Start(0))?;
    let mut begun = Vec::new();
    file.take(first.len() as u64 + 1).read_to_end(&mut begun)?;
    Ok(first.starts_with(&begun))
}

#[cfg(unix)]
fn check_owner_only(path: &Path, file: &File) -> Result<(), TransferError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(TransferError::Permissions { path: path.to_owned(), mode })
}

/// Other systems have no such bits: there the directory has to protect the file.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail on Unix")]
fn check_owner_only(_path: &Path, _file: &File) -> Result<(), TransferError> {
    Ok(())
}
