//! Derived keys that are kept at hand.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

use aws_lc_rs::aead::LessSafeKey;
use bonafide_claims::UserId;
use foldhash::fast::RandomState;

use crate::key::KeyId;
use crate::keyring::{RootKey, Unavailable};
use crate::recent::Recent;

/// How many keys are kept: about 700 bytes each.
const KEYS: usize = 8 * 1024;

/// A bounded cache of the keys that were derived for users, because deriving one costs more than opening
/// a secret with it.
///
/// Keyed by the whole user, compared part by part, and the master key. It holds nothing that the keyring
/// beside it does not give at any time. aws-lc wipes a key when its last user drops it.
pub(crate) struct UserKeys {
    entries: Recent<Entry>,
    /// Seeded anew for each cache. Who could make it collide would only push keys out of one set.
    hasher: RandomState,
}

struct Entry {
    root: KeyId,
    user: UserId,
    key: Arc<LessSafeKey>,
}

impl Entry {
    fn is_of(&self, root: KeyId, user: &UserId) -> bool {
        self.root == root && self.user == *user
    }
}

impl UserKeys {
    pub(crate) fn new() -> Self {
        Self::with_room(KEYS)
    }

    fn with_room(keys: usize) -> Self {
        Self { entries: Recent::new(keys), hasher: RandomState::default() }
    }

    /// The key of `user` under `root`.
    pub(crate) fn key(
        &self,
        root: &RootKey,
        user: &UserId,
    ) -> Result<Arc<LessSafeKey>, Unavailable> {
        let hash = self.hasher.hash_one(user);
        if let Some(key) = self.find(hash, root.id(), user) {
            return Ok(key);
        }
        // Derived without the lock. Two threads may do it at once.
        let key = Arc::new(root.user_key(user)?);
        let entry = Entry { root: root.id(), user: user.clone(), key: Arc::clone(&key) };
        if let Some(mut set) = self.entries.set(hash) {
            set.insert(hash, |entry| entry.is_of(root.id(), user), entry);
        }
        Ok(key)
    }

    fn find(&self, hash: u64, root: KeyId, user: &UserId) -> Option<Arc<LessSafeKey>> {
        let mut set = self.entries.set(hash)?;
        set.find(hash, |entry| entry.is_of(root, user)).map(|entry| Arc::clone(&entry.key))
    }
}

/// Shows how many keys it has room for.
impl fmt::Debug for UserKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserKeys").field("keys", &self.entries.room()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::aead::{Aad, Nonce};

    use super::*;
    use crate::key::MasterKey;
    use crate::recent::WAYS;

    fn root() -> RootKey {
        RootKey::new(&MasterKey::generate().unwrap()).unwrap()
    }

    fn user(subject: &str) -> UserId {
        UserId::new("https://idp.example".parse().unwrap(), None, subject.parse().unwrap())
    }

    fn key(keys: &UserKeys, root: &RootKey, user: &UserId) -> Arc<LessSafeKey> {
        keys.key(root, user).ok().unwrap()
    }

    /// What a key makes of the same input: equal for equal keys only.
    fn print(key: &LessSafeKey) -> Vec<u8> {
        let mut text = vec![0; 16];
        let nonce = Nonce::assume_unique_for_key([7; 12]);
        key.seal_in_place_append_tag(nonce, Aad::empty(), &mut text).unwrap();
        text
    }

    #[test]
    fn gives_what_the_keyring_derives_for_each_user_and_master_key() {
        // One set, so that all of them meet.
        let keys = UserKeys::with_room(1);
        let (new, old) = (root(), root());
        let directory = UserId::new(
            "https://idp.example".parse().unwrap(),
            Some("d".parse().unwrap()),
            "alice".parse().unwrap(),
        );
        let other: UserId =
            UserId::new("https://idp.other".parse().unwrap(), None, "alice".parse().unwrap());
        for _ in 0..3 {
            for root in [&new, &old] {
                for user in [&user("alice"), &user("Alice"), &directory, &other] {
                    let derived = root.user_key(user).ok().unwrap();
                    assert_eq!(print(&key(&keys, root, user)), print(&derived));
                }
            }
        }
    }

    #[test]
    fn a_hash_that_collides_gives_nobody_the_key_of_another() {
        let keys = UserKeys::with_room(1);
        let (root, alice) = (root(), user("alice"));
        let _ = key(&keys, &root, &alice);
        let hash = keys.hasher.hash_one(&alice);
        assert!(keys.find(hash, root.id(), &alice).is_some());
        assert!(keys.find(hash, root.id(), &user("bob")).is_none());
        assert!(keys.find(hash, KeyId::from_bytes([0; 8]), &alice).is_none());
    }

    #[test]
    fn is_bounded_and_keeps_what_was_used_last() {
        let keys = UserKeys::with_room(WAYS);
        let (root, alice) = (root(), user("alice"));
        let first = key(&keys, &root, &alice);
        for i in 0..100 {
            let _ = key(&keys, &root, &user(&format!("user-{i}")));
            assert!(Arc::ptr_eq(&first, &key(&keys, &root, &alice)), "{i}");
        }
        assert_eq!(keys.entries.room(), WAYS);
    }
}
