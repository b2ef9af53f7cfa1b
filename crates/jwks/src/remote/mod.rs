//! Keys that are fetched from the issuer.

mod builder;
mod discovery;
mod endpoint;
mod fetch;
mod flight;
mod freshness;
mod status;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

pub use builder::RemoteKeysBuilder;
pub use endpoint::EndpointError;
pub use fetch::FetchError;
pub use status::{Freshness, KeysStatus};

use crate::keys::{Generation, KeySet};
use crate::source::{KeySource, KeysUnavailable};
use flight::Inner;

/// An issuer's keys, fetched when they are needed and kept while they are good.
///
/// Nothing is fetched before the first token comes, so an issuer that is down does not keep a program from
/// starting. From then on:
///
/// * A token whose key is known never waits. Keys are asked for again after three quarters of their
///   lifetime, beside the requests.
/// * Their lifetime is what `Cache-Control` says, but at least 1 minute and at most 1 hour (15 minutes when
///   it says nothing). A key that the issuer withdrew is out of use after that time.
/// * When the issuer cannot be reached, or answers with anything but a usable key set, the keys stay in use
///   for up to 24 hours more, and we go on asking: after 1 second, then 2, 4, … up to 1 minute.
/// * A token with an unknown `kid` makes us ask at once, but at most every 10 seconds, whatever the number
///   of such tokens. All that wait share one fetch.
///
/// Every number can be changed with the builder.
///
/// Cloning is cheap, and clones share their keys.
///
/// # Security
///
/// Fetches go to `https` only (`http` for loopback), follow at most three redirects, and reach a host that
/// the configuration does not name only if it is public: [`Reach`](crate::Reach). Between the moment when
/// an issuer withdraws a key and the end of the keys' lifetime, tokens of that key are still accepted; an
/// attacker who can keep us from reaching the issuer prolongs that to lifetime and stale time together.
#[derive(Clone)]
pub struct RemoteKeys {
    inner: Arc<Inner>,
}

impl RemoteKeys {
    /// Keys of the issuer, found by OpenID Connect Discovery 1.0 or RFC 8414.
    ///
    /// The document must name exactly this `issuer`, byte for byte.
    pub fn discover(issuer: impl Into<String>) -> RemoteKeysBuilder {
        RemoteKeysBuilder::discover(issuer.into())
    }

    /// Keys at this URL, without discovery.
    pub fn at(jwks_uri: impl Into<String>) -> RemoteKeysBuilder {
        RemoteKeysBuilder::at(jwks_uri.into())
    }

    /// How the keys are, and what was done to get them.
    #[must_use]
    pub fn status(&self) -> KeysStatus {
        self.inner.status()
    }
}

#[async_trait]
impl KeySource for RemoteKeys {
    fn current(&self) -> Option<Arc<KeySet>> {
        self.inner.current()
    }

    async fn refresh(&self, seen: Option<Generation>) -> Result<Arc<KeySet>, KeysUnavailable> {
        self.inner.refresh(seen).await
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys")
            .field("endpoint", self.inner.endpoint())
            .field("status", &self.status())
            .finish()
    }
}
