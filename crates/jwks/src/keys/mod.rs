//! A set of keys, prepared for use.

mod parse;
mod prepared;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use parse::{KeySetError, MAX_KEYS, SkippedKey};
pub(crate) use prepared::{PublicKey, SecretKey};

use crate::algorithm::Algorithm;

/// How many keys may share one `kid` and algorithm.
pub const MAX_KEYS_PER_ID: usize = 2;

/// The keys that an issuer signs with, parsed once and ready to verify.
///
/// Either public keys or shared secrets, never both: no token can choose which of the two a key is.
pub struct KeySet {
    keys: Keys,
    skipped: Box<[SkippedKey]>,
    generation: Generation,
}

enum Keys {
    Public(Box<[PublicKey]>),
    Shared(Box<[SecretKey]>),
}

/// Which key set this is. Two sets with different keys never have the same generation in one process, so
/// it may be part of the key of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Generation(u64);

impl Generation {
    fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

/// Why a key set has no key for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoKey {
    /// No key has this id, or without an id, no key fits the algorithm. A newer key set may have one.
    #[error("no key of the issuer fits the token's `kid` and `alg`")]
    Unknown,
    /// The key of this id is for another algorithm.
    #[error("the issuer's key of that `kid` is for another algorithm than the token's `alg`")]
    WrongAlgorithm,
    /// The token names no key, and several fit.
    #[error("the token has no `kid`, and several keys of the issuer fit its `alg`")]
    Ambiguous,
}

/// A signature that no key of the issuer made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not fit the issuer's key")]
pub struct BadSignature;

/// The key of a set that verified a signature.
#[derive(Debug, Clone, Copy)]
pub struct SigningKey<'a> {
    issuer: Option<&'a str>,
}

impl<'a> SigningKey<'a> {
    /// The `issuer` member that Microsoft Entra ID gives its keys: which issuer this key may sign for, with
    /// `{tenantid}` where any directory may stand.
    #[must_use]
    pub fn issuer(&self) -> Option<&'a str> {
        self.issuer
    }
}

/// The keys that fit a token's `kid` and `alg`: one, or two while a key is replaced under the same id.
#[derive(Debug)]
pub struct Candidates<'a> {
    keys: CandidateKeys<'a>,
}

#[derive(Debug)]
enum CandidateKeys<'a> {
    Public(Algorithm, [Option<&'a PublicKey>; MAX_KEYS_PER_ID]),
    Shared(Algorithm, &'a [SecretKey]),
}

impl Candidates<'_> {
    /// Verifies that one of the keys made `signature` over `message`.
    ///
    /// # Errors
    ///
    /// When none did.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<SigningKey<'_>, BadSignature> {
        match &self.keys {
            CandidateKeys::Public(algorithm, keys) => {
                let mut keys = keys.iter().flatten();
                keys.find(|key| key.verifies(*algorithm, message, signature))
                    .map(|key| SigningKey { issuer: key.issuer() })
            }
            CandidateKeys::Shared(algorithm, keys) => keys
                .iter()
                .any(|key| key.verifies(*algorithm, message, signature))
                .then_some(SigningKey { issuer: None }),
        }
        .ok_or(BadSignature)
    }
}

impl KeySet {
    pub(crate) fn public(keys: Vec<PublicKey>, skipped: Vec<SkippedKey>) -> Self {
        let keys = Keys::Public(keys.into_boxed_slice());
        Self { keys, skipped: skipped.into_boxed_slice(), generation: Generation::next() }
    }

    pub(crate) fn shared(keys: Vec<SecretKey>) -> Self {
        let keys = Keys::Shared(keys.into_boxed_slice());
        Self { keys, skipped: Box::default(), generation: Generation::next() }
    }

    /// Reads a JWK set (RFC 7517, section 5) of public keys.
    ///
    /// Keys are read one by one: one that cannot be used is skipped, and [`skipped`](Self::skipped) says
    /// why. Not used are keys for encryption, private and symmetric keys, RSA keys under 2048 bits, and
    /// kinds and curves that we do not know.
    ///
    /// # Errors
    ///
    /// When the document is no JWK set, or has no key that can be used.
    pub fn from_jwks(document: &[u8]) -> Result<Arc<Self>, KeySetError> {
        let (keys, skipped) = parse::read(document)?;
        Ok(Arc::new(Self::public(keys, skipped)))
    }

    /// The keys for a token with this `kid` and `alg`.
    ///
    /// Without a `kid`, the one public key that fits the algorithm, or any of the shared secrets.
    ///
    /// # Errors
    ///
    /// When there is none, when it is for another algorithm, when it is not clear which.
    pub fn candidates(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Candidates<'_>, NoKey> {
        let keys = match &self.keys {
            Keys::Public(_) if algorithm.is_shared() => return Err(NoKey::WrongAlgorithm),
            Keys::Public(keys) => CandidateKeys::Public(algorithm, choose(keys, kid, algorithm)?),
            Keys::Shared(_) if !algorithm.is_shared() => return Err(NoKey::WrongAlgorithm),
            Keys::Shared(keys) => CandidateKeys::Shared(algorithm, keys),
        };
        Ok(Candidates { keys })
    }

    /// Which set this is, for caches.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// How many keys can be used.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.keys {
            Keys::Public(keys) => keys.len(),
            Keys::Shared(keys) => keys.len(),
        }
    }

    /// Whether no key can be used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The keys of the document that cannot be used, and why.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// Whether both have the same keys, in the same order.
    pub(crate) fn same_keys(&self, other: &Self) -> bool {
        match (&self.keys, &other.keys) {
            (Keys::Public(ours), Keys::Public(theirs)) => ours == theirs,
            _ => false,
        }
    }
}

fn choose<'a>(
    keys: &'a [PublicKey],
    kid: Option<&str>,
    algorithm: Algorithm,
) -> Result<[Option<&'a PublicKey>; MAX_KEYS_PER_ID], NoKey> {
    let mut fitting = keys.iter().filter(|key| {
        key.fits(algorithm) && kid.is_none_or(|kid| key.id().is_some_and(|have| have == kid))
    });
    let chosen = [fitting.next(), fitting.next()];
    match (kid, chosen) {
        (None, [Some(_), Some(_)]) => Err(NoKey::Ambiguous),
        (Some(kid), [None, _]) if keys.iter().any(|key| key.id() == Some(kid)) => {
            Err(NoKey::WrongAlgorithm)
        }
        (_, [None, _]) => Err(NoKey::Unknown),
        (_, chosen) => Ok(chosen),
    }
}

/// Counts the keys, shows none.
impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet")
            .field("keys", &self.len())
            .field("skipped", &self.skipped)
            .field("generation", &self.generation.0)
            .finish()
    }
}
