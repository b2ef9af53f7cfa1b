//! Signature algorithms.

use std::fmt;
use std::str::FromStr;

/// A signature algorithm of RFC 7518, section 3.1, RFC 8037 and RFC 9864.
///
/// There is no `none`: a token without a signature has no algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519. Written `EdDSA` (RFC 8037) or `Ed25519` (RFC 9864).
    EdDsa,
    /// HMAC with SHA-256: only ever with a [`SharedSecret`](crate::SharedSecret).
    Hs256,
    /// HMAC with SHA-384: only ever with a [`SharedSecret`](crate::SharedSecret).
    Hs384,
    /// HMAC with SHA-512: only ever with a [`SharedSecret`](crate::SharedSecret).
    Hs512,
}

impl Algorithm {
    /// All algorithms that verify with a public key.
    pub const PUBLIC: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// All algorithms that verify with a shared secret.
    pub const SHARED: [Self; 3] = [Self::Hs256, Self::Hs384, Self::Hs512];

    /// Whether it takes a shared secret.
    #[must_use]
    pub fn is_shared(self) -> bool {
        Self::SHARED.contains(&self)
    }

    /// The name as it stands in a token's header.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }
}

/// A string that names no algorithm we verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a signature algorithm we verify: use one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, \
     ES384, EdDSA, HS256, HS384, HS512"
)]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    /// Exact, as RFC 7515, section 4.1.1 has it: `rs256` is no algorithm.
    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Ok(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            "HS256" => Self::Hs256,
            "HS384" => Self::Hs384,
            "HS512" => Self::Hs512,
            _ => return Err(UnknownAlgorithm),
        })
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_every_name() {
        for algorithm in Algorithm::PUBLIC.into_iter().chain(Algorithm::SHARED) {
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
        }
        assert_eq!("Ed25519".parse(), Ok(Algorithm::EdDsa));
    }

    #[test]
    fn rejects_none_other_cases_and_neighbours() {
        for name in ["none", "None", "NONE", "", "rs256", "RS256 ", "ES512", "ES256K", "Ed448"] {
            assert_eq!(name.parse::<Algorithm>(), Err(UnknownAlgorithm), "{name}");
        }
    }
}
