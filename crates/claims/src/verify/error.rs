//! Why a token is refused.

use std::fmt;

use bonafide_jwks::KeysUnavailable;

use super::introspection::IntrospectionUnavailable;

/// Why a token is refused.
///
/// The message names the check that failed, for the operator. It never has a value of the token in it. The
/// client gets [`description`](Self::description), which says less.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Longer than [`MAX_TOKEN_LEN`](crate::MAX_TOKEN_LEN). Nothing of it was looked at.
    #[error("the token is longer than {max} bytes")]
    TooLong {
        /// How many bytes are allowed.
        max: usize,
    },
    /// No JWS in compact serialization: RFC 7515, section 3.1.
    #[error("the token is not three parts of unpadded base64url, separated by dots")]
    NotCompact,
    /// The header is not strict JSON, or a member of it has the wrong type.
    #[error(
        "the token's header is not a JSON object that says everything once, with the types of RFC 7515"
    )]
    Header,
    /// The header has a member that would change how the token is verified: `crit`, `b64`, or one that
    /// brings a key (`jwk`, `jku`, `x5u`, `x5c`).
    #[error("the token's header has `{member}`, which is never followed")]
    HeaderMember {
        /// Which.
        member: &'static str,
    },
    /// `alg` is missing, `none`, or none that we verify.
    #[error("the token's `alg` is none that is verified")]
    UnsupportedAlgorithm,
    /// `alg` is not on the issuer's list.
    #[error("the token's `alg` is not one that the issuer may use")]
    AlgorithmNotAllowed,
    /// `typ` says that it is another kind of token.
    #[error("the token is of another type: `{claim}` does not fit")]
    WrongType {
        /// Which member of the header, or which claim, says so.
        claim: &'static str,
    },
    /// The token is bound to a key of the client's (`cnf`, RFC 7800), and nothing here checks that the
    /// client has it. As a bearer token it would be good for whoever stole it.
    #[error("the token is bound to a key by `cnf`, and is no bearer token")]
    Bound,
    /// The payload is not strict JSON.
    #[error("the token's payload is not a JSON object that says everything once")]
    Payload,
    /// A claim is missing.
    #[error("the token has no `{claim}`")]
    Missing {
        /// Which.
        claim: Claim,
    },
    /// A claim has the wrong type, or a value that it cannot have.
    #[error("the token's `{claim}` is not of the type or form that it must have")]
    Malformed {
        /// Which.
        claim: Claim,
    },
    /// `iss` is none of the trusted issuers.
    #[error("the token's `iss` is none of the trusted issuers")]
    UnknownIssuer,
    /// `tid` is not on the list, or does not fit `iss`.
    #[error(
        "the token's directory is not one that is trusted, or is not the one that its `iss` names"
    )]
    DirectoryNotAllowed,
    /// `aud` names others.
    #[error("the token's `aud` names none of the accepted audiences")]
    WrongAudience,
    /// No key fits `kid` and `alg`.
    #[error("no key of the issuer fits the token's `kid` and `alg`")]
    UnknownKey,
    /// The token names no key, and several fit.
    #[error("the token has no `kid`, and several keys of the issuer fit its `alg`")]
    AmbiguousKey,
    /// The key is there, and did not sign this.
    #[error("the token's signature does not fit the issuer's key")]
    BadSignature,
    /// The key may not sign for this issuer.
    #[error("the key that signed the token belongs to another issuer")]
    KeyOfAnotherIssuer,
    /// `exp` is over.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is still to come.
    #[error("the token is not valid yet: `nbf` is in the future")]
    NotYetValid,
    /// `iat` is still to come.
    #[error("the token's `iat` is in the future: compare the clocks")]
    IssuedInFuture,
    /// The issuer says that the token is not active: RFC 7662, section 2.2.
    #[error("the issuer says that the token is not active")]
    Inactive,
    /// The issuer cannot be asked about the token.
    #[error("the issuer cannot be asked about the token now")]
    IntrospectionUnavailable(#[source] IntrospectionUnavailable),
    /// The issuer's keys cannot be fetched, so nothing can be said about the token.
    #[error("the token cannot be checked now")]
    KeysUnavailable(#[source] KeysUnavailable),
}

/// Whose fault it is that a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VerifyErrorKind {
    /// The token's: status 401 and `invalid_token` of RFC 6750, section 3.1.
    Token,
    /// The outside world's: status 503. The same token may be good in a moment.
    Unavailable,
}

impl VerifyError {
    /// Whose fault it is.
    #[must_use]
    pub fn kind(&self) -> VerifyErrorKind {
        match self {
            Self::KeysUnavailable(_) | Self::IntrospectionUnavailable(_) => {
                VerifyErrorKind::Unavailable
            }
            _ => VerifyErrorKind::Token,
        }
    }

    /// An `error_description` (RFC 6750, section 3) for the client: what it can do something about, and
    /// nothing about which issuers, keys or audiences we know.
    #[must_use]
    pub fn description(&self) -> &'static str {
        match self {
            Self::KeysUnavailable(_) | Self::IntrospectionUnavailable(_) => {
                "The token cannot be checked at the moment"
            }
            Self::Expired => "The token expired",
            Self::NotYetValid | Self::IssuedInFuture => "The token is not valid yet",
            Self::WrongAudience => "The token is meant for another audience",
            _ => "The token is not valid",
        }
    }
}

/// A claim that a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Claim {
    /// `iss`
    Issuer,
    /// `sub`, or what the profile has in its place.
    Subject,
    /// `aud`
    Audience,
    /// `exp`
    Expiry,
    /// `nbf`
    NotBefore,
    /// `iat`
    IssuedAt,
    /// `tid`, or what the profile has in its place.
    Directory,
    /// `azp`
    AuthorizedParty,
    /// `scope` or `scp`
    Scope,
    /// The roles, wherever the profile has them.
    Roles,
}

impl Claim {
    /// The name as it stands in a payload, unless the profile has another.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Issuer => "iss",
            Self::Subject => "sub",
            Self::Audience => "aud",
            Self::Expiry => "exp",
            Self::NotBefore => "nbf",
            Self::IssuedAt => "iat",
            Self::Directory => "tid",
            Self::AuthorizedParty => "azp",
            Self::Scope => "scope",
            Self::Roles => "roles",
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
