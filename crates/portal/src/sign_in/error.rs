//! Why nobody is signed in.

use bonafide_claims::{BuildError, VerifyError};
use bonafide_jwks::TransportError;

use crate::sealed::NoRandomness;

/// Terms on which users could not be signed in safely.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignInConfigError {
    /// The client has no id.
    #[error("the client id is empty: write the one under which the issuer knows the portal")]
    Client(#[source] BuildError),
    /// The issuer is no URL that can be asked.
    #[error(
        "the issuer is no URL where users can sign in: it must begin with `https://`, or `http://` on loopback"
    )]
    Issuer,
    /// The limits of a session contradict each other.
    #[error(
        "a session ends after 1 minute to 24 hours, and not later for being used than for being old"
    )]
    Limits,
}

/// Why a sign-in was not completed. The message is for the operator, and has no value of a token in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SignInError {
    /// Not an answer to a question of this browser's: `state` or cookie do not fit, or it took too long.
    #[error("`state` was not made for this browser, is too old, or was used")]
    State,
    /// The answer is from another issuer (RFC 9207).
    #[error("`iss` of the answer is missing, or not the issuer that was asked")]
    WrongIssuer,
    /// The issuer said no.
    #[error("the issuer answered with the error `{0}`")]
    Denied(&'static str),
    /// The answer has no code, or says something twice.
    #[error("the answer has no code, or says something twice")]
    Malformed,
    /// The issuer can't be asked.
    #[error("no answer from the issuer")]
    Transport(#[source] TransportError),
    /// The issuer answered something else than it should.
    #[error("the issuer's answer can't be used: {0}")]
    Answer(&'static str),
    /// The issuer's metadata has a URL that is not used.
    #[error("the issuer's metadata names a URL for `{0}` that may not be used")]
    Endpoint(&'static str),
    /// Too many sign-ins at once.
    #[error("too many sign-ins are being completed at once")]
    Busy,
    /// Too many sign-ins from one address.
    #[error(
        "too many sign-ins come from one address: if that is a proxy, name it in `trusted_proxies`"
    )]
    TooOften,
    /// The ID token is not good.
    #[error("the ID token is refused")]
    Token(#[source] VerifyError),
    /// The ID token was made for another sign-in.
    #[error("the ID token's `nonce` is not the one that was asked with")]
    Nonce,
    /// No cookies can hold the token.
    #[error(
        "the issuer's token is too long for cookies: leave groups out of it that no rule names"
    )]
    TooLong,
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl SignInError {
    /// Whether the same thing may work in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Transport(_) | Self::Busy | Self::NoRandomness(_) => true,
            Self::Token(error) => error.kind() == bonafide_claims::VerifyErrorKind::Unavailable,
            _ => false,
        }
    }
}
