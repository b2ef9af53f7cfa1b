//! Keys that are configured, not fetched.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use crate::keys::{Generation, KeySet, KeySetError, SecretKey};
use crate::source::{KeySource, KeysUnavailable};

/// Public keys from a JWK set that is at hand.
#[derive(Debug, Clone)]
pub struct StaticKeys {
    keys: Arc<KeySet>,
}

/// A file that holds no key set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file could not be read.
    #[error("the key set file cannot be read")]
    Read(#[source] std::io::Error),
    /// It holds something else.
    #[error("the file holds no usable key set")]
    Parse(#[source] KeySetError),
}

impl StaticKeys {
    /// Reads a JWK set. [`KeySet::from_jwks`] says which keys are used.
    ///
    /// # Errors
    ///
    /// When the document is no JWK set, or has no key that can be used.
    pub fn from_jwks(document: impl AsRef<[u8]>) -> Result<Self, KeySetError> {
        Ok(Self { keys: KeySet::from_jwks(document.as_ref())? })
    }

    /// Reads a JWK set from a file, once.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or holds no usable key set.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, KeyFileError> {
        let document = std::fs::read(path).map_err(KeyFileError::Read)?;
        Self::from_jwks(document).map_err(KeyFileError::Parse)
    }

    /// The keys.
    #[must_use]
    pub fn key_set(&self) -> &KeySet {
        &self.keys
    }
}

#[async_trait]
impl KeySource for StaticKeys {
    fn current(&self) -> Option<Arc<KeySet>> {
        Some(Arc::clone(&self.keys))
    }

    async fn refresh(&self, _: Option<Generation>) -> Result<Arc<KeySet>, KeysUnavailable> {
        Ok(Arc::clone(&self.keys))
    }
}

/// A secret that is shared with the issuer: HMAC with SHA-256, SHA-384 or SHA-512.
///
/// # Security
///
/// Everybody who can verify with it can also sign. Give each issuer a secret of its own, from at least 32
/// random bytes.
///
/// ```
/// use bonafide_jwks::{SharedSecret, ShortSecret};
///
/// assert!(SharedSecret::new("sample: at least thirty-two bytes").is_ok());
/// assert_eq!(SharedSecret::new("t0p-s3cr3t").unwrap_err(), ShortSecret { len: 10 });
/// ```
#[derive(Debug, Clone)]
pub struct SharedSecret {
    keys: Arc<KeySet>,
}

/// A secret that is too short for HMAC with SHA-256: RFC 7518, section 3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the shared secret has {len} bytes: use at least 32, chosen at random")]
pub struct ShortSecret {
    /// How many bytes it had.
    pub len: usize,
}

impl SharedSecret {
    /// The secret. Each of HS256, HS384 and HS512 can be used when it is at least 32, 48 or 64 bytes long.
    ///
    /// # Errors
    ///
    /// When it is shorter than 32 bytes.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, ShortSecret> {
        Ok(Self { keys: Arc::new(KeySet::shared(vec![prepare(secret.as_ref())?])) })
    }

    /// The secret in use, and the one that it replaces: tokens of both are accepted.
    ///
    /// # Errors
    ///
    /// When one of them is shorter than 32 bytes.
    pub fn rotating(
        secret: impl AsRef<[u8]>,
        previous: impl AsRef<[u8]>,
    ) -> Result<Self, ShortSecret> {
        let keys = vec![prepare(secret.as_ref())?, prepare(previous.as_ref())?];
        Ok(Self { keys: Arc::new(KeySet::shared(keys)) })
    }
}

fn prepare(secret: &[u8]) -> Result<SecretKey, ShortSecret> {
    SecretKey::new(secret).ok_or(ShortSecret { len: secret.len() })
}

#[async_trait]
impl KeySource for SharedSecret {
    fn current(&self) -> Option<Arc<KeySet>> {
        Some(Arc::clone(&self.keys))
    }

    async fn refresh(&self, _: Option<Generation>) -> Result<Arc<KeySet>, KeysUnavailable> {
        Ok(Arc::clone(&self.keys))
    }
}
