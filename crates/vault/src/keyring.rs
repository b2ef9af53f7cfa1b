//! The master keys in use, and the keys derived from them.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, LessSafeKey, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};
use aws_lc_rs::hmac;
use bonafide_claims::UserId;
use secrecy::{ExposeSecretMut, SecretBox};
use zeroize::Zeroizing;

use crate::context;
use crate::envelope::KEY_ID_LEN;
use crate::key::{KeyError, KeyId, MasterKey};

/// The salt of HKDF's extraction: RFC 5869, section 2.2.
const SALT: &[u8] = b"bonafide-vault/1";

/// How long every derived key is, in bytes.
const DERIVED_KEY_LEN: usize = 32;

/// 32 bytes that are derived from a master key for one purpose, and wiped when they are dropped.
pub type Subkey = SecretBox<[u8; DERIVED_KEY_LEN]>;

/// The master keys in use: the newest seals, any of them opens. Never empty.
///
/// Cloning costs a reference count.
///
/// ```
/// use bonafide_vault::{Keyring, MasterKey};
///
/// let (new, old) = (MasterKey::generate()?, MasterKey::generate()?);
/// let keyring = Keyring::new(&new)?.with_older(&old)?;
/// assert_eq!(keyring.newest(), new.id()?);
///
/// // A key twice is a mistake in a configuration.
/// assert!(keyring.with_older(&new).is_err());
/// # Ok::<(), bonafide_vault::KeyError>(())
/// ```
#[derive(Clone)]
pub struct Keyring(Arc<Keys>);

#[derive(Clone)]
struct Keys {
    newest: RootKey,
    /// In the order in which they were added.
    older: Vec<RootKey>,
}

impl Keyring {
    /// A keyring that seals and opens with `newest`.
    ///
    /// # Errors
    ///
    /// [`KeyError::Crypto`] if the cryptography library fails.
    pub fn new(newest: &MasterKey) -> Result<Self, KeyError> {
        Ok(Self(Arc::new(Keys { newest: RootKey::new(newest)?, older: Vec::new() })))
    }

    /// Adds a key that seals nothing any more, and still opens what it sealed before.
    ///
    /// # Errors
    ///
    /// [`KeyError::Twice`] if the key is in the keyring already, and [`KeyError::Crypto`] if the
    /// cryptography library fails.
    pub fn with_older(mut self, older: &MasterKey) -> Result<Self, KeyError> {
        let older = RootKey::new(older)?;
        if self.ids().any(|id| id == older.id) {
            return Err(KeyError::Twice { id: older.id });
        }
        Arc::make_mut(&mut self.0).older.push(older);
        Ok(self)
    }

    /// The key that seals.
    #[must_use]
    pub fn newest(&self) -> KeyId {
        self.0.newest.id
    }

    /// The ids of all keys, newest first.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.keys().map(|key| key.id)
    }

    /// Keys for another use than sealing, such as an HMAC: one for each master key, newest first, derived for
    /// `purpose` and for nothing else. Every process with the same master key derives the same.
    ///
    /// Make with the first one, and check with each, so that a rotation of master keys is not noticed.
    /// For what has to be secret as well, there is [`StateSealer`](crate::StateSealer).
    ///
    /// # Errors
    ///
    /// [`KeyError::Crypto`] if the cryptography library fails.
    pub fn subkeys(&self, purpose: &str) -> Result<Vec<(KeyId, Subkey)>, KeyError> {
        let info = context::subkey_info(purpose);
        let derive = |root: &RootKey| {
            let mut key = SecretBox::new(Box::new([0; DERIVED_KEY_LEN]));
            expand(&root.prk, &info, key.expose_secret_mut()).map_err(|_| KeyError::Crypto)?;
            Ok((root.id, key))
        };
        self.keys().map(derive).collect()
    }

    pub(crate) fn sealing(&self) -> &RootKey {
        &self.0.newest
    }

    pub(crate) fn opening(&self, id: KeyId) -> Option<&RootKey> {
        self.keys().find(|key| key.id == id)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &RootKey> {
        std::iter::once(&self.0.newest).chain(&self.0.older)
    }
}

/// Shows the ids of the keys.
impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring")?;
        f.debug_list().entries(self.ids()).finish()
    }
}

/// A master key after HKDF's extraction. `Prk` wipes itself when it is dropped.
#[derive(Clone)]
pub(crate) struct RootKey {
    id: KeyId,
    prk: Prk,
}

impl RootKey {
    pub(crate) fn new(key: &MasterKey) -> Result<Self, KeyError> {
        // RFC 5869, section 2.2: PRK = HMAC(salt, key). `Salt::extract` of aws-lc-rs would put this off and
        // do it again at each expansion.
        let prk = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SALT), key.expose());
        let prk = Prk::new_less_safe(HKDF_SHA256, prk.as_ref());
        let mut id = [0; KEY_ID_LEN];
        expand(&prk, &context::key_id_info(), &mut id).map_err(|_| KeyError::Crypto)?;
        Ok(Self { id: KeyId::from_bytes(id), prk })
    }

    pub(crate) fn id(&self) -> KeyId {
        self.id
    }

    /// The key that seals this user's secrets. aws-lc wipes it when it is dropped.
    pub(crate) fn user_key(&self, user: &UserId) -> Result<LessSafeKey, Unavailable> {
        self.sealing_key(&context::user_key_info(user))
    }

    /// The key that seals states for this purpose.
    pub(crate) fn state_key(&self, purpose: &str) -> Result<LessSafeKey, Unavailable> {
        self.sealing_key(&context::state_key_info(purpose))
    }

    fn sealing_key(&self, info: &[u8]) -> Result<LessSafeKey, Unavailable> {
        let mut bytes = Zeroizing::new([0; DERIVED_KEY_LEN]);
        expand(&self.prk, info, bytes.as_mut_slice())?;
        let key = UnboundKey::new(&AES_256_GCM_SIV, bytes.as_slice()).map_err(|_| Unavailable)?;
        Ok(LessSafeKey::new(key))
    }
}

/// The cryptography library refused to work: never because of what it was given.
pub(crate) struct Unavailable;

fn expand(prk: &Prk, info: &[u8], out: &mut [u8]) -> Result<(), Unavailable> {
    struct Len(usize);
    impl KeyType for Len {
        fn len(&self) -> usize {
            self.0
        }
    }
    let len = Len(out.len());
    prk.expand(&[info], len).and_then(|okm| okm.fill(out)).map_err(|_| Unavailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_order_and_refuses_a_key_twice() {
        let keys: Vec<_> = (0..3).map(|_| MasterKey::generate().unwrap()).collect();
        let ring = Keyring::new(&keys[0]).unwrap();
        let ring = ring.with_older(&keys[1]).unwrap().with_older(&keys[2]).unwrap();
        let ids: Vec<_> = keys.iter().map(|key| key.id().unwrap()).collect();
        assert_eq!(ring.ids().collect::<Vec<_>>(), ids);
        assert_eq!(ring.newest(), ids[0]);
        for (key, id) in keys.iter().zip(ids) {
            let error = ring.clone().with_older(key).unwrap_err();
            assert_eq!(error, KeyError::Twice { id });
        }
    }

    #[test]
    fn debug_shows_ids_and_no_key() {
        let key = MasterKey::generate().unwrap();
        let ring = Keyring::new(&key).unwrap();
        assert_eq!(format!("{ring:?}"), format!("Keyring[KeyId({})]", ring.newest()));
    }
}
