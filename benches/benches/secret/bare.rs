//! What a program would write that does nothing but the necessary.

use std::collections::HashMap;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};
use bonafide_claims::UserId;
use bonafide_policy::Permit;
use foldhash::fast::RandomState;

use crate::data::VALUE;

/// The cryptography alone, with inputs as long as ours.
pub(crate) struct Bare {
    root: Prk,
    user_key: [u8; 32],
    pub(crate) key: LessSafeKey,
    sealed: Vec<u8>,
}

impl Bare {
    pub(crate) fn new() -> Self {
        let root = Prk::new_less_safe(HKDF_SHA256, &[7; 32]);
        let user_key = derive(&root);
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &user_key).unwrap());
        let mut sealed = VALUE.as_bytes().to_vec();
        let nonce = Nonce::assume_unique_for_key([7; 12]);
        key.seal_in_place_append_tag(nonce, Aad::from([7; 120]), &mut sealed).unwrap();
        Self { root, user_key, key, sealed }
    }

    pub(crate) fn open(&self, key: &LessSafeKey) -> Vec<u8> {
        self.open_this(key, &self.sealed)
    }

    fn open_this(&self, key: &LessSafeKey, sealed: &[u8]) -> Vec<u8> {
        let (text, tag) = sealed.split_at(VALUE.len());
        let mut value = vec![0; text.len()];
        let nonce = Nonce::assume_unique_for_key([7; 12]);
        key.open_separate_gather(nonce, Aad::from([7; 120]), text, tag, &mut value).unwrap();
        value
    }

    pub(crate) fn set_up(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &self.user_key).unwrap())
    }

    pub(crate) fn derive(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &derive(&self.root)).unwrap())
    }
}

fn derive(root: &Prk) -> [u8; 32] {
    struct Len;
    impl KeyType for Len {
        fn len(&self) -> usize {
            32
        }
    }
    let mut key = [0; 32];
    root.expand(&[&[7; 80]], Len).unwrap().fill(&mut key).unwrap();
    key
}

/// What a warm read needs, and nothing else: keys and envelopes by user, for one tenant. Not bounded, not shared with
/// other threads, never out of date.
pub(crate) struct Map<'a> {
    bare: &'a Bare,
    users: HashMap<UserId, (LessSafeKey, Vec<Vec<u8>>), RandomState>,
}

impl<'a> Map<'a> {
    pub(crate) fn new(bare: &'a Bare, permits: &[Permit], secrets: usize) -> Self {
        let kept = || (bare.derive(), vec![bare.sealed.clone(); secrets]);
        let users = permits.iter().map(|permit| (permit.user().id().clone(), kept()));
        Self { bare, users: users.collect() }
    }

    pub(crate) fn read(&self, permit: &Permit) -> Vec<Vec<u8>> {
        let (key, sealed) = self.users.get(permit.user().id()).unwrap();
        sealed.iter().map(|sealed| self.bare.open_this(key, sealed)).collect()
    }
}
