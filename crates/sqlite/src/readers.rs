//! Connections that read on their caller's thread.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use rusqlite::Connection;

use crate::open::{self, OpenError};

/// Some connections, each used by one thread at a time and for some microseconds.
pub(crate) struct Readers {
    connections: Box<[Mutex<Connection>]>,
    next: AtomicUsize,
}

impl Readers {
    pub(crate) fn open(path: &Path, count: usize) -> Result<Self, OpenError> {
        let connections = (0..count.max(1)).map(|_| Ok(Mutex::new(open::reader(path)?)));
        Ok(Self {
            connections: connections.collect::<Result<_, OpenError>>()?,
            next: AtomicUsize::new(0),
        })
    }

    /// A free connection. When all are in use, waits for one of them in turn.
    pub(crate) fn free(&self) -> Option<MutexGuard<'_, Connection>> {
        // From the first one on, so that few of them hold the pages that are read most.
        let free = self.connections.iter().find_map(|connection| match connection.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        });
        free.or_else(|| {
            let turn = self.next.fetch_add(1, Ordering::Relaxed);
            let connection = self.connections.get(turn.checked_rem(self.connections.len())?)?;
            Some(connection.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }
}
