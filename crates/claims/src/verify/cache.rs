//! Tokens that were verified a moment ago.
//!
//! The key is the whole token: a keyed hash finds the place, and a comparison of the full text decides. The
//! hash (SipHash with random keys) only spreads tokens over the table. So two tokens never share an entry,
//! whatever their hashes are, and a token that differs in one bit is not found. Only verified tokens enter:
//! nobody without a good signature can fill the table or search it for collisions.
//!
//! A hit is good only as long as what made it true: the same key set of the issuer, and a time within the
//! token's own window.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use bonafide_jwks::Generation;

use super::check::Window;
use crate::user::VerifiedUser;

/// Longer tokens are verified each time, so that the table's size has a bound.
const MAX_CACHED_LEN: usize = 8 * 1024;

/// How many tokens share a lock, and may be looked at for one.
const WAYS: usize = 16;

pub(super) struct TokenCache {
    hashing: RandomState,
    rows: Box<[RwLock<Row>]>,
}

type Row = [Option<Entry>; WAYS];

struct Entry {
    hash: u64,
    token: Box<str>,
    hit: Hit,
    /// In seconds since the epoch. What was used least recently makes room first.
    used: AtomicU64,
}

/// A verified token, and what its truth rests on.
#[derive(Clone)]
pub(super) struct Hit {
    pub(super) user: VerifiedUser,
    pub(super) proof: Proof,
    pub(super) window: Window,
    /// Forgotten from then on, in seconds since the epoch.
    pub(super) until: u64,
}

/// Who said that the token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// A key of this issuer, in this key set.
    Key { issuer: usize, generation: Generation },
    /// The issuer itself, when it was asked.
    Introspection,
}

impl TokenCache {
    /// Room for this many tokens, and for at most four times as many.
    pub(super) fn new(tokens: usize) -> Self {
        let rows = (tokens / (WAYS / 2)).max(1).next_power_of_two();
        let row = || RwLock::new(Row::default());
        Self { hashing: RandomState::new(), rows: (0..rows).map(|_| row()).collect() }
    }

    pub(super) fn find(&self, token: &str, now: u64) -> Option<Hit> {
        let hash = self.hashing.hash_one(token);
        let row = self.row(hash)?.read().unwrap_or_else(PoisonError::into_inner);
        let entry = row.iter().flatten().find(|it| it.hash == hash && *it.token == *token)?;
        if now >= entry.hit.until {
            return None;
        }
        // A write for each hit would move the cache line between cores for each request.
        if entry.used.load(Ordering::Relaxed) != now {
            entry.used.store(now, Ordering::Relaxed);
        }
        Some(entry.hit.clone())
    }

    pub(super) fn insert(&self, token: &str, hit: Hit, now: u64) {
        if token.len() > MAX_CACHED_LEN {
            return;
        }
        let hash = self.hashing.hash_one(token);
        let Some(row) = self.row(hash) else { return };
        let entry = Entry { hash, token: token.into(), hit, used: AtomicU64::new(now) };
        let mut row = row.write().unwrap_or_else(PoisonError::into_inner);
        // The same token first, then an empty place, then one that is over, then the least used.
        let worth = |place: &Option<Entry>| match place {
            Some(old) if old.hash == hash && *old.token == *token => (0, 0),
            None => (1, 0),
            Some(old) if now >= old.hit.until => (2, 0),
            Some(old) => (3, old.used.load(Ordering::Relaxed)),
        };
        if let Some(place) = row.iter_mut().min_by_key(|place| worth(place)) {
            *place = Some(entry);
        }
    }

    fn row(&self, hash: u64) -> Option<&RwLock<Row>> {
        #[expect(clippy::cast_possible_truncation, reason = "any bits of the hash will do")]
        self.rows.get(hash as usize & (self.rows.len() - 1))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.rows.iter().map(|row| row.read().unwrap().iter().flatten().count()).sum()
    }
}

/// Shows the size, never a token.
impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("places", &(self.rows.len() * WAYS)).finish()
    }
}
