//! Connections that read on their caller's thread.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use rusqlite::Connection;

use crate::open::{self, OpenError};

/// Some connections, each used by one thread at a time and for some microseconds.
pub(crate) struct Readers {
    first: Mutex<Connection>,
    others: Box<[Mutex<Connection>]>,
    next: AtomicUsize,
}

impl Readers {
    pub(crate) fn open(path: &Path, count: usize) -> Result<Self, OpenError> {
        let others = (1..count).map(|_| Ok(Mutex::new(open::reader(path)?)));
        Ok(Self {
            first: Mutex::new(open::reader(path)?),
            others: others.collect::<Result<_, OpenError>>()?,
            next: AtomicUsize::new(0),
        })
    }

    /// A free connection. When all are in use, waits for one of them in turn.
    pub(crate) fn free(&self) -> MutexGuard<'_, Connection> {
        // From the first one on, so that few of them hold the pages that are read most.
        let mut all = std::iter::once(&self.first).chain(&self.others);
        let free = all.find_map(|connection| match connection.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        });
        free.unwrap_or_else(|| {
            let turn = self.next.fetch_add(1, Ordering::Relaxed) % (self.others.len() + 1);
            let connection = self.others.get(turn).unwrap_or(&self.first);
            connection.lock().unwrap_or_else(PoisonError::into_inner)
        })
    }
}
