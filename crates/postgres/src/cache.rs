//! Rows that are kept at hand, and forgotten when somebody else changes them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use bonafide_claims::UserId;
use bonafide_policy::TenantId;
use bonafide_vault::{Lookup, Owner, ReadCache, Shelf, Ticket};

type Digest = [u8; SHA256_OUTPUT_LEN];

/// A [`ReadCache`], and whose rows may be in it, by the digest that the server announces changes with.
#[derive(Debug)]
pub(crate) struct SharedCache {
    rows: ReadCache,
    known: Mutex<HashMap<Digest, (UserId, TenantId)>>,
    max_known: usize,
}

impl SharedCache {
    /// A cache for about `owners` owners.
    pub(crate) fn new(owners: usize) -> Self {
        // Owners stay known when their rows have been pushed out, so there is room for some of those.
        let max_known = owners.saturating_mul(2);
        Self { rows: ReadCache::new(owners), known: Mutex::default(), max_known }
    }

    pub(crate) fn lookup(&self, owner: Owner<'_>) -> Lookup {
        let found = self.rows.lookup(owner);
        if matches!(found, Lookup::Miss(_)) && self.max_known > 0 {
            // Before the server is asked, so that no change after its answer goes unheard.
            self.expect(owner);
        }
        found
    }

    pub(crate) fn fill(&self, ticket: Ticket, owner: Owner<'_>, shelf: &Shelf) {
        self.rows.fill(ticket, owner, shelf);
    }

    pub(crate) fn forget(&self, owner: Owner<'_>) {
        self.rows.forget(owner);
    }

    pub(crate) fn forget_all(&self) {
        self.rows.forget_all();
    }

    /// The server has announced a change: the rows of this owner, or of anybody.
    pub(crate) fn notified(&self, payload: &str) {
        let Some(digest) = parse(payload) else { return self.forget_all() };
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((user, tenant)) = known.get(&digest) {
            self.rows.forget(Owner::new(user, tenant));
        }
    }

    fn expect(&self, owner: Owner<'_>) {
        let digest = owner_digest(owner);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= self.max_known && !known.contains_key(&digest) {
            // Under the lock: a read that is known before this, and so not after it, is not taken in.
            known.clear();
            self.rows.forget_all();
        }
        known.entry(digest).or_insert_with(|| (owner.user().clone(), owner.tenant().clone()));
    }
}

/// The same as `bonafide.owner_digest` in the database.
fn owner_digest(owner: Owner<'_>) -> Digest {
    let text: String = owner.parts().iter().map(|part| format!("{}:{part}", part.len())).collect();
    let mut bytes = [0; SHA256_OUTPUT_LEN];
    let hash = digest(&SHA256, text.as_bytes());
    bytes.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
    bytes
}

fn parse(hex: &str) -> Option<Digest> {
    let mut bytes = [0; SHA256_OUTPUT_LEN];
    if hex.len() != bytes.len() * 2 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use bonafide_vault::{Envelope, Record};

    use super::*;

    fn user(subject: &str) -> UserId {
        UserId::new("https://idp.example".parse().unwrap(), None, subject.parse().unwrap())
    }

    fn shelf() -> Shelf {
        let record = Record::new(Envelope::from_bytes([7; 40]), 0);
        Shelf::from_iter([("A".parse().unwrap(), record)])
    }

    fn hex(digest: Digest) -> String {
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn read(cache: &SharedCache, owner: Owner<'_>) -> bool {
        match cache.lookup(owner) {
            Lookup::Hit(_) => true,
            Lookup::Miss(ticket) => {
                cache.fill(ticket, owner, &shelf());
                false
            }
        }
    }

    #[test]
    fn forgets_the_owner_that_is_announced_and_no_other() {
        let cache = SharedCache::new(100);
        let (alice, bob, tenant) = (user("alice"), user("bob"), "github".parse().unwrap());
        let (alice, bob) = (Owner::new(&alice, &tenant), Owner::new(&bob, &tenant));
        assert!(!read(&cache, alice) && !read(&cache, bob));
        assert!(read(&cache, alice) && read(&cache, bob));
        cache.notified(&hex(owner_digest(alice)));
        assert!(read(&cache, bob) && !read(&cache, alice));
        for payload in ["", "canary", &"g".repeat(64), &"é".repeat(32)] {
            assert!(read(&cache, alice));
            cache.notified(payload);
            assert!(!read(&cache, alice), "{payload:?} may mean anybody");
        }
    }

    #[test]
    fn a_change_that_is_announced_while_the_rows_are_read_is_heard() {
        let cache = SharedCache::new(100);
        let (alice, tenant) = (user("alice"), "github".parse().unwrap());
        let owner = Owner::new(&alice, &tenant);
        let Lookup::Miss(ticket) = cache.lookup(owner) else { panic!("nothing is known yet") };
        cache.notified(&hex(owner_digest(owner)));
        cache.fill(ticket, owner, &shelf());
        assert!(!read(&cache, owner));
    }

    #[test]
    fn knows_a_bounded_number_of_owners_and_keeps_no_rows_of_others() {
        let cache = SharedCache::new(8);
        let tenant = "github".parse().unwrap();
        let first = user("first");
        let first = Owner::new(&first, &tenant);
        let Lookup::Miss(early) = cache.lookup(first) else { panic!("nothing is known yet") };
        for number in 0..100 {
            let user = user(&format!("user {number}"));
            read(&cache, Owner::new(&user, &tenant));
            assert!(cache.known.lock().unwrap().len() <= 16);
        }
        // Nobody would hear of a change to these any more.
        cache.fill(early, first, &shelf());
        assert!(!read(&cache, first));
    }

    #[test]
    fn keeps_nothing_when_it_has_no_room() {
        let cache = SharedCache::new(0);
        let (alice, tenant) = (user("alice"), "github".parse().unwrap());
        let owner = Owner::new(&alice, &tenant);
        assert!(!read(&cache, owner) && !read(&cache, owner));
        assert!(cache.known.lock().unwrap().is_empty());
    }

    #[test]
    fn no_two_owners_have_the_same_digest() {
        let id = |directory: Option<&str>, subject: &str| {
            let directory = directory.map(|directory| directory.parse().unwrap());
            UserId::new("i".parse().unwrap(), directory, subject.parse().unwrap())
        };
        let tenant: TenantId = "t".parse().unwrap();
        let users = [
            id(None, "ab"),
            id(Some("a"), "b"),
            id(Some("ab"), "c"),
            id(Some("a"), "bc"),
            id(None, "1:b"),
        ];
        let digests: std::collections::HashSet<_> =
            users.iter().map(|user| owner_digest(Owner::new(user, &tenant))).collect();
        assert_eq!(digests.len(), users.len());
    }
}
