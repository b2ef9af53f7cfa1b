//! Sealed rows that a store keeps at hand.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use bonafide_claims::UserId;
use bonafide_policy::TenantId;
use foldhash::fast::RandomState;

use crate::owner::Owner;
use crate::recent::Recent;
use crate::shelf::Shelf;

/// What a [`ReadCache`] keeps for one owner at most, in bytes of envelopes. What is larger is not kept.
pub const MAX_CACHED_LEN: usize = 16 * 1024;

/// A bounded cache of sealed rows, for those who write a store. Holds no plain text and no key.
///
/// Keyed by the whole owner, compared part by part. It never answers with what was there before a change
/// that was reported to it, also when a slow read of the old rows ends after that change: a miss gives a
/// [`Ticket`], and rows that were read on a ticket from before the change are not taken in.
///
/// ```
/// # use bonafide_vault::{Lookup, Owner, ReadCache, Shelf};
/// # let user = bonafide_claims::UserId::new("https://idp.example".parse()?, None, "alice".parse()?);
/// # let tenant = "github".parse().unwrap();
/// let owner = Owner::new(&user, &tenant);
/// let cache = ReadCache::new(1000);
/// if let Lookup::Miss(ticket) = cache.lookup(owner) {
///     let shelf = Shelf::from_iter([]); // … read from the store
///     cache.fill(ticket, owner, &shelf);
/// }
/// assert!(matches!(cache.lookup(owner), Lookup::Hit(_)));
/// cache.forget(owner);
/// assert!(matches!(cache.lookup(owner), Lookup::Miss(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ReadCache {
    /// The epoch of a set is raised by each `forget` of an owner in it.
    entries: Recent<Entry>,
    /// Seeded anew for each cache. Who could make it collide would only push rows out of one set.
    hasher: RandomState,
    /// Raised by [`forget_all`](Self::forget_all): what was kept before is not valid any more.
    generation: AtomicU64,
}

/// What a [`ReadCache`] knows.
#[derive(Debug)]
pub enum Lookup {
    /// This is stored.
    Hit(Shelf),
    /// Nothing is known: read the store, and [fill](ReadCache::fill) the cache.
    Miss(Ticket),
}

/// Says when a read began. Take it before the store is read.
#[derive(Debug, Clone, Copy)]
pub struct Ticket {
    hash: u64,
    epoch: u64,
    generation: u64,
    repeated: bool,
}

impl Ticket {
    /// Whether the same owner was missed lately, or was known until everything was forgotten. Always `false` where
    /// there is no room for anybody.
    ///
    /// A store for which one secret costs much less than all of an owner, such as a local file, may fill the cache
    /// only then: who asks once is served with the least, and does not push out who asks often.
    #[must_use]
    pub fn is_repeated(&self) -> bool {
        self.repeated
    }
}

struct Entry {
    user: UserId,
    tenant: TenantId,
    generation: u64,
    shelf: Shelf,
}

impl Entry {
    fn is_of(&self, owner: Owner<'_>) -> bool {
        Owner::new(&self.user, &self.tenant) == owner
    }
}

impl ReadCache {
    /// A cache for about `owners` pairs of user and tenant, and at most [`MAX_CACHED_LEN`] bytes of
    /// envelopes for each. None are kept if `owners` is 0.
    #[must_use]
    pub fn new(owners: usize) -> Self {
        Self {
            entries: Recent::new(owners),
            hasher: RandomState::default(),
            generation: AtomicU64::new(0),
        }
    }

    /// What is known about `owner`.
    #[must_use]
    pub fn lookup(&self, owner: Owner<'_>) -> Lookup {
        let hash = self.hasher.hash_one(owner);
        let generation = self.generation.load(Ordering::SeqCst);
        let Some(mut set) = self.entries.set(hash) else {
            return Lookup::Miss(Ticket { hash, epoch: 0, generation, repeated: false });
        };
        let epoch = set.epoch;
        let repeated = match set.find(hash, |entry| entry.is_of(owner)) {
            Some(entry) if entry.generation == generation => {
                return Lookup::Hit(entry.shelf.clone());
            }
            Some(_) => true,
            None => set.missed(hash),
        };
        Lookup::Miss(Ticket { hash, epoch, generation, repeated })
    }

    /// Keeps what was read for `owner` after the [`lookup`](Self::lookup) that gave `ticket`. Does nothing
    /// if anything was forgotten since then that may concern it.
    pub fn fill(&self, ticket: Ticket, owner: Owner<'_>, shelf: &Shelf) {
        let Some(mut set) = self.entries.set(ticket.hash) else { return };
        let current = self.generation.load(Ordering::SeqCst);
        if shelf.envelopes_len() > MAX_CACHED_LEN
            || ticket.epoch != set.epoch
            || ticket.generation != current
        {
            return;
        }
        let entry = Entry {
            user: owner.user().clone(),
            tenant: owner.tenant().clone(),
            generation: ticket.generation,
            shelf: shelf.packed(),
        };
        set.insert(ticket.hash, |entry| entry.is_of(owner), entry);
    }

    /// Something of `owner` has changed.
    pub fn forget(&self, owner: Owner<'_>) {
        let hash = self.hasher.hash_one(owner);
        if let Some(mut set) = self.entries.set(hash) {
            set.epoch = set.epoch.wrapping_add(1);
            set.remove(hash, |entry| entry.is_of(owner));
        }
    }

    /// Anything may have changed.
    pub fn forget_all(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }
}

/// Shows how many owners it has room for.
impl fmt::Debug for ReadCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadCache").field("owners", &self.entries.room()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Envelope;
    use crate::recent::WAYS;
    use crate::vault::Record;

    fn user(subject: &str) -> UserId {
        UserId::new("https://idp.example".parse().unwrap(), None, subject.parse().unwrap())
    }

    fn shelf(len: usize) -> Shelf {
        let record = Record::new(Envelope::from_bytes(vec![7; len]), 0);
        Shelf::from_iter([("A".parse().unwrap(), record)])
    }

    fn miss(cache: &ReadCache, owner: Owner<'_>) -> Option<Ticket> {
        match cache.lookup(owner) {
            Lookup::Hit(_) => None,
            Lookup::Miss(ticket) => Some(ticket),
        }
    }

    #[test]
    fn knows_each_owner_apart() {
        let cache = ReadCache::new(100);
        let (alice, bob) = (user("alice"), user("bob"));
        let (github, jira) = ("github".parse().unwrap(), "jira".parse().unwrap());
        let owner = Owner::new(&alice, &github);
        cache.fill(miss(&cache, owner).unwrap(), owner, &shelf(1));
        assert!(miss(&cache, owner).is_none());
        assert!(miss(&cache, Owner::new(&bob, &github)).is_some());
        assert!(miss(&cache, Owner::new(&alice, &jira)).is_some());
    }

    #[test]
    fn a_read_that_began_before_a_change_is_not_kept() {
        let cache = ReadCache::new(1);
        let (alice, tenant) = (user("alice"), "github".parse().unwrap());
        let owner = Owner::new(&alice, &tenant);
        let ticket = miss(&cache, owner).unwrap();
        cache.forget(owner);
        cache.fill(ticket, owner, &shelf(1));
        let ticket = miss(&cache, owner).unwrap();
        cache.forget_all();
        cache.fill(ticket, owner, &shelf(1));
        let ticket = miss(&cache, owner).unwrap();
        cache.fill(ticket, owner, &shelf(1));
        assert!(miss(&cache, owner).is_none());
        cache.forget_all();
        assert!(miss(&cache, owner).is_some());
    }

    #[test]
    fn is_bounded_and_keeps_what_was_used_last() {
        let cache = ReadCache::new(WAYS);
        let tenant = "github".parse().unwrap();
        let alice = user("alice");
        let owner = Owner::new(&alice, &tenant);
        cache.fill(miss(&cache, owner).unwrap(), owner, &shelf(1));
        for i in 0..1000 {
            let other = user(&format!("user-{i}"));
            let other = Owner::new(&other, &tenant);
            cache.fill(miss(&cache, other).unwrap(), other, &shelf(1));
            assert!(miss(&cache, owner).is_none(), "{i}");
        }
        assert_eq!(cache.entries.room(), WAYS);
        let large = user("large");
        let large = Owner::new(&large, &tenant);
        cache.fill(miss(&cache, large).unwrap(), large, &shelf(MAX_CACHED_LEN + 1));
        assert!(miss(&cache, large).is_some());
    }

    #[test]
    fn knows_who_was_missed_before() {
        let cache = ReadCache::new(100);
        let (alice, bob) = (user("alice"), user("bob"));
        let tenant = "github".parse().unwrap();
        let (alice, bob) = (Owner::new(&alice, &tenant), Owner::new(&bob, &tenant));
        assert!(!miss(&cache, alice).unwrap().is_repeated());
        assert!(!miss(&cache, bob).unwrap().is_repeated());
        let ticket = miss(&cache, alice).unwrap();
        assert!(ticket.is_repeated());
        cache.fill(ticket, alice, &shelf(1));
        cache.forget_all();
        assert!(miss(&cache, alice).unwrap().is_repeated());
    }

    #[test]
    fn keeps_nothing_when_it_has_no_room() {
        let cache = ReadCache::new(0);
        let (alice, tenant) = (user("alice"), "github".parse().unwrap());
        let owner = Owner::new(&alice, &tenant);
        cache.fill(miss(&cache, owner).unwrap(), owner, &shelf(1));
        assert!(!miss(&cache, owner).unwrap().is_repeated());
    }
}
