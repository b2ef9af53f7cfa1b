//! Sealing and opening.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use zeroize::{Zeroize, Zeroizing};

use crate::context::AssociatedData;
use crate::envelope::{Envelope, FORMAT_VERSION, HEADER_LEN, NONCE_LEN, TAG_LEN};
use crate::key::KeyId;
use crate::keyring::{Keyring, RootKey};
use crate::name::SecretName;
use crate::owner::Owner;
use crate::user_keys::UserKeys;

/// The longest value that is sealed, in bytes.
pub const MAX_SECRET_LEN: usize = 64 * 1024;

/// Seals secrets with the newest key of a [`Keyring`], and knows whether they open.
///
/// What is sealed is bound to its user, tenant and name: [`format`](crate::format) has the bytes. Opened
/// values come out of [`UserVault::read`](crate::UserVault::read) only, which needs a
/// [`Permit`](bonafide_policy::Permit).
#[derive(Debug, Clone)]
pub struct Sealer {
    keyring: Keyring,
    /// The keys that were derived from this keyring, and no other.
    keys: Arc<UserKeys>,
    /// Whether values are sealed, and only what is sealed opens.
    seals: bool,
}

/// Why a value was not sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The value is empty.
    #[error("the value is empty: remove the secret instead")]
    Empty,
    /// The value is longer than [`MAX_SECRET_LEN`].
    #[error("the value has {len} bytes: at most {MAX_SECRET_LEN} are allowed")]
    TooLong {
        /// How many bytes it had.
        len: usize,
    },
    /// The cryptography library or the system's random source failed.
    #[error("the cryptography library failed: is the system's random source there?")]
    Crypto,
}

/// Why an envelope did not open. There is no such thing as a partly opened one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There are fewer bytes than an envelope has.
    #[error("the envelope has only {len} bytes: the store lost some of it")]
    Short {
        /// How many bytes there are.
        len: usize,
    },
    /// The envelope says that it has a format that this version does not know.
    #[error("the envelope has format {version}: this version reads format {FORMAT_VERSION}")]
    Version {
        /// Which format it names.
        version: u8,
    },
    /// The envelope names a master key that is not in the keyring.
    #[error("the envelope was sealed with the master key `{key}`: add that key to the keyring")]
    UnknownKey {
        /// Which key it names.
        key: KeyId,
    },
    /// The envelope was altered, or belongs to another user, tenant or name.
    #[error("the envelope was altered or belongs to another user, tenant or name")]
    Refused,
    /// The envelope is genuine, but what is in it is not text.
    #[error("the envelope does not hold text: it was not sealed by this crate")]
    NotText,
    /// The cryptography library failed.
    #[error("the cryptography library failed")]
    Crypto,
}

impl Sealer {
    /// A sealer that uses the keys of `keyring`.
    #[must_use]
    pub fn new(keyring: Keyring) -> Self {
        Self { keyring, keys: Arc::new(UserKeys::new()), seals: true }
    }

    /// One that seals nothing, and opens what is not sealed besides what is.
    pub(crate) fn unsealing(keyring: Keyring) -> Self {
        Self { seals: false, ..Self::new(keyring) }
    }

    /// The same with other keys.
    pub(crate) fn with_keyring(&self, keyring: Keyring) -> Self {
        Self { seals: self.seals, ..Self::new(keyring) }
    }

    /// Whether `envelope` is as this would seal it: with the newest key.
    pub(crate) fn is_current(&self, envelope: &Envelope) -> bool {
        if self.seals {
            envelope.key_id() == Some(self.keyring.newest())
        } else {
            envelope.unsealed().is_some()
        }
    }

    /// Whether values are sealed:
    /// [`dangerous_without_sealing`](crate::SecretStore::dangerous_without_sealing) makes a store that does not.
    #[must_use]
    pub fn is_sealing(&self) -> bool {
        self.seals
    }

    /// The keys in use.
    #[must_use]
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Seals `value` as the secret `name` of `owner`, with the newest key.
    ///
    /// # Errors
    ///
    /// [`SealError::Empty`] and [`SealError::TooLong`] for values that nobody can mean.
    pub fn seal(
        &self,
        owner: Owner<'_>,
        name: &SecretName,
        value: &SecretString,
    ) -> Result<Envelope, SealError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| SealError::Crypto)?;
        self.seal_with(nonce, owner, name, value)
    }

    pub(crate) fn seal_with(
        &self,
        nonce: [u8; NONCE_LEN],
        owner: Owner<'_>,
        name: &SecretName,
        value: &SecretString,
    ) -> Result<Envelope, SealError> {
        let text = value.expose_secret();
        let value = text.as_bytes();
        match value.len() {
            0 => return Err(SealError::Empty),
            len if len > MAX_SECRET_LEN => return Err(SealError::TooLong { len }),
            _ if !self.seals => return Ok(Envelope::from_unsealed(text)),
            _ => {}
        }
        let key = self.owner_key(self.keyring.sealing(), owner);
        key.map_err(|_| SealError::Crypto)?.seal(nonce, name, value)
    }

    /// What another program may have sealed.
    #[cfg(test)]
    pub(crate) fn seal_bytes(
        &self,
        owner: Owner<'_>,
        name: &SecretName,
        value: &[u8],
    ) -> Result<Envelope, SealError> {
        let key = self.owner_key(self.keyring.sealing(), owner);
        key.map_err(|_| SealError::Crypto)?.seal([7; NONCE_LEN], name, value)
    }

    /// Whether `envelope` opens as the secret `name` of `owner`. What is in it is wiped at once.
    ///
    /// # Errors
    ///
    /// The reason why it does not.
    pub fn check(
        &self,
        owner: Owner<'_>,
        name: &SecretName,
        envelope: &Envelope,
    ) -> Result<(), OpenError> {
        self.opener(owner).open(name, envelope).map(drop)
    }

    /// The same value sealed with the newest key; `None` if `envelope` does not open.
    pub(crate) fn reseal(
        &self,
        owner: Owner<'_>,
        name: &SecretName,
        envelope: &Envelope,
    ) -> Option<Envelope> {
        let value = self.opener(owner).open(name, envelope).ok()?;
        self.seal(owner, name, &value).ok()
    }

    /// Opens the secrets of one owner, and looks for each key once.
    pub(crate) fn opener<'a>(&'a self, owner: Owner<'a>) -> Opener<'a> {
        Opener { sealer: self, owner, key: None }
    }

    fn owner_key(&self, root: &RootKey, owner: Owner<'_>) -> Result<OwnerKey, OpenError> {
        let key = self.keys.key(root, owner.user()).map_err(|_| OpenError::Crypto)?;
        Ok(OwnerKey { id: root.id(), key, data: AssociatedData::new(root.id(), owner) })
    }
}

/// Opens the secrets of one owner. Keeps the last key that it derived.
pub(crate) struct Opener<'a> {
    sealer: &'a Sealer,
    owner: Owner<'a>,
    key: Option<OwnerKey>,
}

impl Opener<'_> {
    pub(crate) fn open(
        &mut self,
        name: &SecretName,
        envelope: &Envelope,
    ) -> Result<SecretString, OpenError> {
        if !self.sealer.seals
            && let Some(value) = envelope.unsealed()
        {
            return Ok(SecretString::from(Box::<str>::from(value)));
        }
        let id = envelope.parts()?.key;
        let key = match self.key.take() {
            Some(key) if key.id == id => key,
            _ => {
                let root =
                    self.sealer.keyring.opening(id).ok_or(OpenError::UnknownKey { key: id })?;
                self.sealer.owner_key(root, self.owner)?
            }
        };
        self.key.insert(key).open(name, envelope)
    }
}

/// The key and the associated data of one owner under one master key.
struct OwnerKey {
    id: KeyId,
    key: Arc<LessSafeKey>,
    data: AssociatedData,
}

impl OwnerKey {
    fn seal(
        &mut self,
        nonce: [u8; NONCE_LEN],
        name: &SecretName,
        value: &[u8],
    ) -> Result<Envelope, SealError> {
        // Wiped when this function ends early: until it is encrypted, the value stands in it.
        let mut bytes = Zeroizing::new(Vec::with_capacity(HEADER_LEN + value.len() + TAG_LEN));
        bytes.push(FORMAT_VERSION);
        bytes.extend_from_slice(self.id.as_bytes());
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(value);
        let text = bytes.get_mut(HEADER_LEN..).ok_or(SealError::Crypto)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let data = Aad::from(self.data.of(name));
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, data, text)
            .map_err(|_| SealError::Crypto)?;
        bytes.extend_from_slice(tag.as_ref());
        Ok(Envelope::from_bytes(bytes.as_slice()))
    }

    fn open(&mut self, name: &SecretName, envelope: &Envelope) -> Result<SecretString, OpenError> {
        let parts = envelope.parts()?;
        // Exactly as long as the value, so that turning it into a `SecretString` copies nothing.
        let mut value = Zeroizing::new(vec![0; parts.ciphertext.len()]);
        let nonce = Nonce::assume_unique_for_key(parts.nonce);
        let data = Aad::from(self.data.of(name));
        self.key
            .open_separate_gather(nonce, data, parts.ciphertext, parts.tag, &mut value)
            .map_err(|_| OpenError::Refused)?;
        into_secret(std::mem::take(&mut *value))
    }
}

fn into_secret(value: Vec<u8>) -> Result<SecretString, OpenError> {
    match String::from_utf8(value) {
        Ok(text) => Ok(SecretString::from(text)),
        Err(error) => {
            error.into_bytes().zeroize();
            Err(OpenError::NotText)
        }
    }
}

impl fmt::Debug for OwnerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerKey").field("id", &self.id).finish_non_exhaustive()
    }
}
