//! What goes wrong.

use std::error::Error;
use std::sync::Arc;

use bonafide_vault::StoreError;

/// Why a store cannot be made of what was given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The address cannot be used.
    #[error(
        "the address is not `https://HOST` or `https://HOST:PORT`, without user, path and query (`http` on loopback only)"
    )]
    Address,
    /// A mount, a path or a namespace is empty or has characters that could mean something else.
    #[error(
        "the {what} is not made of letters, digits, `-`, `_` and dots inside, with `/` between its parts"
    )]
    Path {
        /// Which of them.
        what: &'static str,
    },
    /// The token, the role id or the secret id is empty, or cannot be sent.
    #[error("the {what} is empty or has characters that cannot be sent")]
    Credentials {
        /// Which of them.
        what: &'static str,
    },
    /// The certificates are not in PEM.
    #[error("the certificates are not in PEM")]
    Certificate {
        /// What is wrong with them.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// There is no HTTP client, as when the system has no certificates.
    #[error("the HTTP client cannot be made")]
    Client {
        /// What it said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Why a request did not do what it should. Holds nothing of what was sent or answered, and no address: paths name users.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("OpenBao cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("OpenBao answered with status {status}: {}", hint(*.status))]
    Status { status: u16 },
    #[error("OpenBao's answer has more than {limit} bytes")]
    TooLong { limit: usize },
    #[error("OpenBao's answer is not that of a key-value engine, version 2: is the mount right?")]
    Answer,
    #[error("what is to be sent cannot be written as JSON")]
    Json,
    #[error("others changed the same entry again and again")]
    Contended,
    /// What an attempt failed with that several were waiting for.
    #[error(transparent)]
    Shared(Arc<Self>),
}

fn hint(status: u16) -> &'static str {
    match status {
        400 => "it does not take what it was sent",
        403 => "is the token valid, and does its policy allow this?",
        404 => "is the mount right, and the namespace?",
        412 | 429 | 472 | 473 => "it is not ready, or too busy",
        503 => "it is sealed, or in maintenance",
        300..=399 => "redirects are not followed, give the address of the active node",
        _ => "its log says more",
    }
}

impl RequestError {
    pub(crate) fn unreachable(error: reqwest::Error) -> Self {
        Self::Unreachable(error.without_url())
    }
}

impl From<RequestError> for StoreError {
    fn from(error: RequestError) -> Self {
        Self::unavailable(error)
    }
}
