//! Keys that were parsed once.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, VerificationAlgorithm,
};

use crate::algorithm::Algorithm;

/// A public key, parsed for each algorithm that it may be used with.
pub(crate) struct PublicKey {
    id: Option<Box<str>>,
    issuer: Option<Box<str>>,
    uses: Box<[(Algorithm, ParsedPublicKey)]>,
}

/// What a JWK says about a key besides the key itself.
#[derive(Default)]
pub(crate) struct Labels {
    pub(crate) id: Option<Box<str>>,
    pub(crate) issuer: Option<Box<str>>,
    /// The only algorithm that the key may be used with, if the JWK names one.
    pub(crate) algorithm: Option<Algorithm>,
}

/// A key that the crypto library does not take, or that fits no algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unusable;

const RSA: [(Algorithm, &RsaParameters); 6] = [
    (Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::Rs384, &RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::Rs512, &RSA_PKCS1_2048_8192_SHA512),
    (Algorithm::Ps256, &RSA_PSS_2048_8192_SHA256),
    (Algorithm::Ps384, &RSA_PSS_2048_8192_SHA384),
    (Algorithm::Ps512, &RSA_PSS_2048_8192_SHA512),
];

impl PublicKey {
    pub(crate) fn rsa(labels: Labels, n: &[u8], e: &[u8]) -> Result<Self, Unusable> {
        let parts = RsaPublicKeyComponents { n, e };
        let uses = RSA
            .into_iter()
            .filter(|(algorithm, _)| labels.algorithm.is_none_or(|only| only == *algorithm))
            .map(|(algorithm, how)| Ok((algorithm, parts.to_parsed_public_key(how)?)))
            .collect::<Result<Box<[_]>, aws_lc_rs::error::KeyRejected>>();
        Self::new(labels, uses.map_err(|_| Unusable)?)
    }

    pub(crate) fn p256(labels: Labels, point: &[u8]) -> Result<Self, Unusable> {
        Self::single(labels, Algorithm::Es256, &ECDSA_P256_SHA256_FIXED, point)
    }

    pub(crate) fn p384(labels: Labels, point: &[u8]) -> Result<Self, Unusable> {
        Self::single(labels, Algorithm::Es384, &ECDSA_P384_SHA384_FIXED, point)
    }

    pub(crate) fn ed25519(labels: Labels, key: &[u8]) -> Result<Self, Unusable> {
        Self::single(labels, Algorithm::EdDsa, &ED25519, key)
    }

    fn single(
        labels: Labels,
        algorithm: Algorithm,
        how: &'static dyn VerificationAlgorithm,
        key: &[u8],
    ) -> Result<Self, Unusable> {
        if labels.algorithm.is_some_and(|only| only != algorithm) {
            return Err(Unusable);
        }
        let key = ParsedPublicKey::new(how, key).map_err(|_| Unusable)?;
        Self::new(labels, Box::new([(algorithm, key)]))
    }

    fn new(labels: Labels, uses: Box<[(Algorithm, ParsedPublicKey)]>) -> Result<Self, Unusable> {
        if uses.is_empty() {
            return Err(Unusable);
        }
        Ok(Self { id: labels.id, issuer: labels.issuer, uses })
    }

    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub(crate) fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        self.uses.iter().any(|(have, _)| *have == algorithm)
    }

    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.uses
            .iter()
            .find(|(have, _)| *have == algorithm)
            .is_some_and(|(_, key)| key.verify_sig(message, signature).is_ok())
    }
}

/// The same id, issuer, algorithms and key.
impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        let uses =
            |key: &Self| key.uses.iter().map(|(algorithm, _)| *algorithm).collect::<Vec<_>>();
        let material = |key: &Self| key.uses.first().map(|(_, key)| key.as_ref().to_vec());
        self.id == other.id
            && self.issuer == other.issuer
            && uses(self) == uses(other)
            && material(self) == material(other)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A shared secret, set up for each algorithm that it is long enough for.
pub(crate) struct SecretKey {
    uses: Box<[(Algorithm, hmac::Key)]>,
}

impl SecretKey {
    /// RFC 7518, section 3.2: the key is at least as long as the hash.
    pub(crate) fn new(secret: &[u8]) -> Option<Self> {
        let uses: Box<[_]> = [
            (Algorithm::Hs256, hmac::HMAC_SHA256, 32),
            (Algorithm::Hs384, hmac::HMAC_SHA384, 48),
            (Algorithm::Hs512, hmac::HMAC_SHA512, 64),
        ]
        .into_iter()
        .filter(|(_, _, least)| secret.len() >= *least)
        .map(|(algorithm, hash, _)| (algorithm, hmac::Key::new(hash, secret)))
        .collect();
        (!uses.is_empty()).then_some(Self { uses })
    }

    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.uses
            .iter()
            .find(|(have, _)| *have == algorithm)
            .is_some_and(|(_, key)| hmac::verify(key, message, signature).is_ok())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}
