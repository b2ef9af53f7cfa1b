//! Events in a file, one JSON object a line.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{AuditError, AuditEvent, AuditSink};

/// The size at which a file is put aside unless told otherwise: 64 MiB.
const MAX_BYTES: u64 = 64 << 20;

/// How many old files are kept unless told otherwise.
const KEEP: u32 = 8;

/// A file of events, one JSON object a line. It is only ever appended to, and made readable by its owner
/// only. One process writes to it.
///
/// A file that is full becomes `name.1`, the one before `name.2`, and so on; the oldest is removed. A file that
/// somebody else moved away is left alone, and a new one begun.
#[derive(Debug)]
pub struct JsonLines {
    path: PathBuf,
    max_bytes: u64,
    keep: u32,
    file: Option<File>,
    /// A line may have been cut off: the next one begins after an end of line.
    cut: bool,
}

impl JsonLines {
    /// Opens the file at `path`, and makes it if there is none.
    ///
    /// # Errors
    ///
    /// An [`AuditError`] if it cannot be written.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, AuditError> {
        let path = path.into();
        let file = open(&path).map_err(|source| failed("opening the audit file", source))?;
        // Somebody else's last line may lack its end.
        let cut = file.metadata().is_ok_and(|file| file.len() > 0);
        let sink = Self { path, max_bytes: MAX_BYTES, keep: KEEP, file: Some(file), cut: false };
        Ok(Self { cut: cut && !ends_with_newline(&sink.path), ..sink })
    }

    /// The size in bytes at which a file is put aside. 64 MiB by default.
    #[must_use]
    pub fn with_max_bytes(self, max_bytes: u64) -> Self {
        Self { max_bytes, ..self }
    }

    /// How many old files are kept. Eight by default; with none, a full file is removed.
    #[must_use]
    pub fn with_keep(self, keep: u32) -> Self {
        Self { keep, ..self }
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.is_full(lines.len()) {
            self.rotate()?;
        }
        if !self.path.exists() {
            self.file = None;
        }
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                self.cut = false;
                open(&self.path)?
            }
        };
        let file = self.file.insert(file);
        if self.cut {
            file.write_all(b"\n")?;
        }
        self.cut = true;
        file.write_all(lines)?;
        self.cut = false;
        Ok(())
    }

    fn is_full(&self, more: usize) -> bool {
        let len = fs::metadata(&self.path).map_or(0, |file| file.len());
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        len > 0 && len.saturating_add(more) > self.max_bytes
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        if self.keep == 0 {
            return fs::remove_file(&self.path);
        }
        for number in (1..self.keep).rev() {
            let (from, to) = (self.old(number), self.old(number.saturating_add(1)));
            match fs::rename(from, to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, self.old(1))
    }

    fn old(&self, number: u32) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number}"));
        name.into()
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn ends_with_newline(path: &Path) -> bool {
    use std::io::{Read, Seek, SeekFrom};
    let last = || {
        let mut file = File::open(path)?;
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        io::Result::Ok(last)
    };
    last().is_ok_and(|last| last == *b"\n")
}

fn failed(doing: &'static str, source: io::Error) -> AuditError {
    AuditError::Io { doing, source }
}

impl AuditSink for JsonLines {
    fn write(&mut self, events: &[Arc<AuditEvent>]) -> Result<(), AuditError> {
        let mut lines = Vec::with_capacity(events.len().saturating_mul(256));
        for event in events {
            serde_json::to_writer(&mut lines, &**event)
                .map_err(|error| failed("writing an event as JSON", error.into()))?;
            lines.push(b'\n');
        }
        self.append(&lines).map_err(|source| failed("writing to the audit file", source))
    }
}
