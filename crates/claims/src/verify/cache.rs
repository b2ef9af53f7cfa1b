//! Tokens that were verified a moment ago.
//!
//! The key is the whole token: a keyed hash finds the place, and a comparison of the full text decides. The
//! hash (foldhash with random seeds, since a digest of 3 KB costs ten times as much) only spreads tokens over
//! the table. So two tokens never share an entry, whatever their hashes are, and a token that differs in one
//! bit is not found. Only verified tokens enter: nobody without a good signature can fill the table, and
//! whoever has many and finds out the seeds can make some of them be verified again, which is all.
//!
//! A hit is good only as long as what made it true: the same key set of the issuer, and a time within the
//! token's own window.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use bonafide_jwks::Generation;
use foldhash::quality::RandomState;

use super::check::Window;
use crate::user::VerifiedUser;

/// Longer tokens are verified each time, so that the table's size has a bound.
const MAX_CACHED_LEN: usize = 8 * 1024;

/// How many tokens share a lock, and may be looked at for one.
const WAYS: usize = 16;

pub(super) struct TokenCache<S = RandomState> {
    hashing: S,
    rows: Box<[RwLock<Row>]>,
}

type Row = [Option<Entry>; WAYS];

struct Entry {
    hash: u64,
    token: Box<[u8]>,
    hit: Hit,
    /// In seconds since the epoch. What was used least recently makes room first.
    used: AtomicU64,
}

impl Entry {
    fn is(&self, key: Key<'_>) -> bool {
        self.hash == key.hash && *self.token == *key.token
    }
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

/// A token and where it may be found.
#[derive(Clone, Copy)]
pub(super) struct Key<'t> {
    token: &'t [u8],
    hash: u64,
}

impl TokenCache {
    /// Room for this many tokens, rounded up to a full row, and never for more.
    pub(super) fn new(tokens: usize) -> Self {
        Self::with_hashing(tokens, RandomState::default())
    }
}

impl<S: BuildHasher> TokenCache<S> {
    fn with_hashing(tokens: usize, hashing: S) -> Self {
        let rows = tokens.div_ceil(WAYS).max(1);
        let row = || RwLock::new(Row::default());
        Self { hashing, rows: (0..rows).map(|_| row()).collect() }
    }

    /// Where the token belongs, unless it is too long.
    pub(super) fn key<'t>(&self, token: &'t [u8]) -> Option<Key<'t>> {
        let short = token.len() <= MAX_CACHED_LEN;
        short.then(|| Key { token, hash: self.hashing.hash_one(token) })
    }

    pub(super) fn find(&self, key: Key<'_>, now: u64) -> Option<Hit> {
        let row = self.row(key)?.read().unwrap_or_else(PoisonError::into_inner);
        let entry = row.iter().flatten().find(|entry| entry.is(key))?;
        if now >= entry.hit.until {
            return None;
        }
        // A write for each hit would move the cache line between cores for each request.
        if entry.used.load(Ordering::Relaxed) != now {
            entry.used.store(now, Ordering::Relaxed);
        }
        Some(entry.hit.clone())
    }

    pub(super) fn insert(&self, key: Key<'_>, hit: Hit, now: u64) {
        let Some(row) = self.row(key) else { return };
        let used = AtomicU64::new(now);
        let mut entry = Some(Entry { hash: key.hash, token: key.token.into(), hit, used });
        // The same token first, then an empty place, then one that is over, then the least used.
        let worth = |place: &Option<Entry>| match place {
            Some(old) if old.is(key) => (0, 0),
            None => (1, 0),
            Some(old) if now >= old.hit.until => (2, 0),
            Some(old) => (3, old.used.load(Ordering::Relaxed)),
        };
        let mut row = row.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = row.iter_mut().min_by_key(|place| worth(place)) {
            std::mem::swap(place, &mut entry);
        }
        // What was there is dropped after the lock.
        drop(row);
    }

    fn row(&self, key: Key<'_>) -> Option<&RwLock<Row>> {
        let scaled = u128::from(key.hash) * self.rows.len() as u128;
        self.rows.get(usize::try_from(scaled >> 64).ok()?)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.rows.iter().map(|row| row.read().unwrap().iter().flatten().count()).sum()
    }
}

/// Shows the size, never a token.
impl<S> fmt::Debug for TokenCache<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("places", &(self.rows.len() * WAYS)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasherDefault, Hasher};
    use std::sync::OnceLock;

    use super::*;
    use crate::user::{Assurance, TokenKind, Verified};
    use crate::{Groups, UnknownGroups, UserId};

    /// Every token has the same hash.
    #[derive(Default)]
    struct Constant;

    impl Hasher for Constant {
        fn finish(&self) -> u64 {
            7
        }

        fn write(&mut self, _: &[u8]) {}
    }

    fn hit(subject: &str) -> Hit {
        let user = VerifiedUser::new(Verified {
            id: UserId::new("i".parse().unwrap(), None, subject.parse().unwrap()),
            kind: TokenKind::Access,
            assurance: Assurance::Issuer,
            username: None,
            email: None,
            name: None,
            groups: Groups::Unknown(UnknownGroups::Absent),
            roles: Default::default(),
            scopes: Default::default(),
            client_id: None,
            expires_at: 100,
            payload: Box::default(),
            claims: OnceLock::new(),
        });
        let window = Window { expiry: 100, not_before: 0, issued_at: 0 };
        Hit { user, proof: Proof::Introspection, window, until: 100 }
    }

    #[test]
    fn two_tokens_with_one_hash_are_two_users() {
        let cache = TokenCache::with_hashing(10, BuildHasherDefault::<Constant>::default());
        let insert = |token: &str, subject| {
            cache.insert(cache.key(token.as_bytes()).unwrap(), hit(subject), 1)
        };
        let subject = |token: &str| {
            cache
                .find(cache.key(token.as_bytes()).unwrap(), 1)
                .map(|hit| hit.user.subject().as_str().to_owned())
        };
        insert("token of ada", "ada");
        assert_eq!(subject("token of bob"), None);
        insert("token of bob", "bob");
        assert_eq!(subject("token of ada").as_deref(), Some("ada"));
        assert_eq!(subject("token of bob").as_deref(), Some("bob"));
        insert("token of ada", "ada again");
        assert_eq!((cache.len(), subject("token of ada").as_deref()), (2, Some("ada again")));
    }

    #[test]
    fn never_more_than_there_is_room_for() {
        for (room, most) in [(1, 16), (16, 16), (17, 32), (10_000, 10_000)] {
            let cache = TokenCache::new(room);
            let mut tokens = (0..2 * most + 100).map(|n| format!("token {n}"));
            tokens
                .by_ref()
                .take(most / 2)
                .for_each(|it| cache.insert(cache.key(it.as_bytes()).unwrap(), hit("a"), 1));
            assert!(cache.len() * 100 >= most / 2 * 99 || most < 100, "{}", cache.len());
            tokens.for_each(|it| cache.insert(cache.key(it.as_bytes()).unwrap(), hit("a"), 1));
            assert!(cache.len() <= most && cache.len() * 10 >= most * 9, "{}", cache.len());
        }
    }
}
