//! How we reach the network, and how far.

#[cfg(feature = "reqwest")]
mod client;
mod reach;

use std::fmt::Debug;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

#[cfg(feature = "reqwest")]
pub use client::{ReqwestTransport, TokioSpawn};
pub use reach::{Reach, Zone};

/// One HTTP exchange.
///
/// # Security
///
/// An implementation keeps to the [`Limits`]: it gives up after the time, stops reading at the size, and
/// connects to no address that [`Reach::allows`] refuses, after the name is resolved. It follows no
/// redirect, sends no cookie, and takes no proxy from the environment. [`RemoteAddress`] goes into the
/// response's extensions where the implementation knows it.
#[async_trait]
pub trait Transport: Debug + Send + Sync + 'static {
    /// Sends the request and reads the whole answer.
    ///
    /// # Errors
    ///
    /// When there is no answer within the limits. An answer with any status is `Ok`.
    async fn send(
        &self,
        request: Request<Bytes>,
        limits: Limits,
    ) -> Result<Response<Bytes>, TransportError>;
}

/// What one exchange may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the first step to the last byte.
    pub timeout: Duration,
    /// The longest body that is read, in bytes.
    pub max_bytes: usize,
    /// Which addresses may be connected to.
    pub reach: Reach,
}

/// The address that answered: an extension of a [`Transport`]'s response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteAddress(pub IpAddr);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// It took too long.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The body is longer than allowed.
    #[error("the answer has more than {max} bytes")]
    TooLarge {
        /// How many bytes were allowed.
        max: usize,
    },
    /// The name has no address that may be connected to.
    #[error("the host has no address that may be reached: see `Reach`")]
    Forbidden,
    /// The exchange failed.
    #[error("the exchange failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Runs a task beside the requests, so that a refresh ahead of time delays none of them.
pub trait Spawn: Debug + Send + Sync + 'static {
    /// Runs the task to its end. One that is dropped instead is started again by the next request that
    /// has to wait for its result.
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>);
}
