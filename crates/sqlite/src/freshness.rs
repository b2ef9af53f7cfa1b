//! Whether what is cached still stands in the file.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, TryLockError};
use std::time::{Duration, Instant};

use bonafide_vault::ReadCache;
use rusqlite::Connection;

use crate::error::RowError;
use crate::rows;

/// The cache of one file, and when the file was last compared with it.
///
/// Changes of this process are reported to the cache when they are made. Those of other processes show in
/// SQLite's `data_version`, which costs about two microseconds to ask for: it is asked when the last answer is
/// older than the staleness that the application allows. The writer's connection is the one that is asked,
/// because its answer does not change with this process's own changes.
#[derive(Debug)]
pub(crate) struct Freshness {
    cache: ReadCache,
    staleness: Duration,
    started: Instant,
    /// When the last check began, in nanoseconds after `started`.
    checked: AtomicU64,
    version: AtomicI64,
}

impl Freshness {
    pub(crate) fn new(
        cache: ReadCache,
        staleness: Duration,
        connection: &Connection,
    ) -> Result<Self, RowError> {
        let started = Instant::now();
        let version = AtomicI64::new(rows::data_version(connection)?);
        Ok(Self { cache, staleness, started, checked: AtomicU64::new(0), version })
    }

    pub(crate) fn cache(&self) -> &ReadCache {
        &self.cache
    }

    /// Whether the cache may be believed. No, when that is not known: another thread is asking the file
    /// right now, or the file is locked.
    pub(crate) fn confirm(&self, connection: &Mutex<Connection>) -> bool {
        let now = self.started.elapsed();
        let checked = Duration::from_nanos(self.checked.load(Ordering::SeqCst));
        if now.saturating_sub(checked) < self.staleness {
            return true;
        }
        let connection = match connection.try_lock() {
            Ok(connection) => connection,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        let Ok(version) = rows::data_version(&connection) else { return false };
        if self.version.swap(version, Ordering::SeqCst) != version {
            self.cache.forget_all();
        }
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.checked.store(now, Ordering::SeqCst);
        true
    }
}
