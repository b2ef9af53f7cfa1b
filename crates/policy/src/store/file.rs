//! Rules in a file.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::{PolicyStore, StoreError};
use crate::config::PolicyConfig;
use crate::rule::Rule;

/// How often the file is looked at unless told otherwise.
const INTERVAL: Duration = Duration::from_secs(1);

/// The largest file that is read: 256 MiB, a million rules and more.
const LIMIT: u64 = 256 << 20;

/// A policy file, looked at every second for changes.
///
/// A file that is being written is not read: it must look the same at two looks, and before and after it is
/// read. Half a file can be a valid policy, without the deny rules at its end, so the safe way to change one
/// is still to write another and rename it.
///
/// # Security
///
/// Who may write the file, or the directory it is in, decides who may reach what.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    interval: Duration,
    loaded: Mutex<Option<Look>>,
}

impl FileStore {
    /// The rules in the file at `path`: TOML, a `[[rules]]` table for each.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), interval: INTERVAL, loaded: Mutex::new(None) }
    }

    /// How long to wait between looks. A second by default.
    #[must_use]
    pub fn with_interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    fn loaded(&self) -> std::sync::MutexGuard<'_, Option<Look>> {
        // What is behind the lock is replaced as a whole.
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Look {
    Is { modified: Option<SystemTime>, len: u64, inode: Option<(u64, u64)> },
    Missing(std::io::ErrorKind),
}

impl Look {
    fn at(path: &Path) -> Self {
        std::fs::metadata(path).map_or_else(|error| Self::Missing(error.kind()), |is| Self::of(&is))
    }

    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = {
            use std::os::unix::fs::MetadataExt;
            Some((metadata.dev(), metadata.ino()))
        };
        #[cfg(not(unix))]
        let inode = None;
        Self::Is { modified: metadata.modified().ok(), len: metadata.len(), inode }
    }
}

fn read(path: PathBuf) -> Result<Vec<Rule>, StoreError> {
    let unreadable = |source| StoreError::Unreadable { path: path.clone(), source };
    let file = File::open(&path).map_err(unreadable)?;
    let before = file.metadata().map_err(unreadable)?;
    let mut text = String::new();
    (&file).take(LIMIT.saturating_add(1)).read_to_string(&mut text).map_err(unreadable)?;
    if u64::try_from(text.len()).is_ok_and(|len| len > LIMIT) {
        return Err(StoreError::TooLarge { path, limit: LIMIT });
    }
    let after = file.metadata().map_err(unreadable)?;
    if Look::of(&before) != Look::of(&after) {
        return Err(StoreError::Unsettled { path });
    }
    let config = PolicyConfig::read(Some(&path.display().to_string()), &text)?;
    Ok(config.rules)
}

#[async_trait::async_trait]
impl PolicyStore for FileStore {
    async fn load(&self) -> Result<Vec<Rule>, StoreError> {
        let path = self.path.clone();
        let work = move || (Look::at(&path), read(path));
        let (look, rules) =
            tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Stopped)?;
        // Remembered even if the rules are wrong: they are worth another try once the file is another one.
        let unsettled = matches!(rules, Err(StoreError::Unsettled { .. }));
        *self.loaded() = (!unsettled).then_some(look);
        rules
    }

    async fn changed(&self) -> Result<(), StoreError> {
        let mut last = None;
        loop {
            tokio::time::sleep(self.interval).await;
            let path = self.path.clone();
            let look = tokio::task::spawn_blocking(move || Look::at(&path));
            let look = Some(look.await.map_err(|_| StoreError::Stopped)?);
            if look == last && look != *self.loaded() {
                return Ok(());
            }
            last = look;
        }
    }
}
