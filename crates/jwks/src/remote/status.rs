//! What an operator can see.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::keys::KeySet;

/// How the keys are, and what was done to get them. Counters count from the start of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeysStatus {
    /// How the keys are.
    pub freshness: Freshness,
    /// How many keys can be used.
    pub keys: usize,
    /// How many keys of the set cannot be used.
    pub skipped: usize,
    /// Fetches that were started.
    pub fetches: u64,
    /// Fetches that failed.
    pub failures: u64,
    /// Fetches that failed since the last one that succeeded.
    pub failures_in_a_row: u32,
    /// Fetches that were answered with "not modified".
    pub not_modified: u64,
    /// Fetches that brought other keys than before.
    pub rotations: u64,
    /// Fetches that were asked for and not started, because the last one was a moment ago.
    pub held_back: u64,
}

/// How the keys are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Freshness {
    /// Not fetched yet, or never with success.
    Empty,
    /// In use, and not to be asked for yet.
    Fresh,
    /// In use, and being asked for again.
    Due,
    /// Past their lifetime and still in use, because the issuer does not answer.
    Stale,
    /// No longer in use.
    Expired,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    fetches: AtomicU64,
    failures: AtomicU64,
    not_modified: AtomicU64,
    rotations: AtomicU64,
    held_back: AtomicU64,
}

impl Counters {
    /// Counts a fetch and gives it its number.
    pub(super) fn started(&self) -> u64 {
        self.fetches.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn not_modified(&self) {
        self.not_modified.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn rotated(&self) {
        self.rotations.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn held_back(&self) {
        self.held_back.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn status(
        &self,
        freshness: Freshness,
        keys: Option<&KeySet>,
        failures_in_a_row: u32,
    ) -> KeysStatus {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        KeysStatus {
            freshness,
            keys: keys.map_or(0, KeySet::len),
            skipped: keys.map_or(0, |keys| keys.skipped().len()),
            fetches: count(&self.fetches),
            failures: count(&self.failures),
            failures_in_a_row,
            not_modified: count(&self.not_modified),
            rotations: count(&self.rotations),
            held_back: count(&self.held_back),
        }
    }
}
