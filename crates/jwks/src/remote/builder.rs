//! How to ask for keys.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::RemoteKeys;
use super::endpoint::{self, Endpoint, EndpointError};
use super::fetch::Fetcher;
use super::flight::{Inner, Pace};
use super::freshness::Lifetimes;
use crate::clock::{Clock, SystemClock};
use crate::transport::{Spawn, Transport};

/// Builds [`RemoteKeys`].
#[derive(Debug, Clone)]
#[must_use]
pub struct RemoteKeysBuilder {
    target: Target,
    clock: Arc<dyn Clock>,
    lifetimes: Lifetimes,
    pace: Pace,
    timeout: Duration,
    max_bytes: usize,
}

#[derive(Debug, Clone)]
enum Target {
    Issuer { url: String, issuer: String },
    KeySet(String),
}

impl RemoteKeysBuilder {
    pub(super) fn discover(issuer: String) -> Self {
        Self::new(Target::Issuer { url: issuer.clone(), issuer })
    }

    pub(super) fn at(jwks_uri: String) -> Self {
        Self::new(Target::KeySet(jwks_uri))
    }

    fn new(target: Target) -> Self {
        Self {
            target,
            clock: Arc::new(SystemClock),
            lifetimes: Lifetimes {
                least: Duration::from_secs(60),
                most: Duration::from_secs(60 * 60),
                unsaid: Duration::from_secs(15 * 60),
            },
            pace: Pace {
                cool_down: Duration::from_secs(10),
                max_stale: Duration::from_secs(24 * 60 * 60),
                most_patience: Duration::from_secs(60),
            },
            timeout: Duration::from_secs(5),
            max_bytes: 512 * 1024,
        }
    }

    /// The `issuer` that the discovery document must name, when it is not the URL it is found under.
    ///
    /// Microsoft Entra ID needs it for several directories: the document under
    /// `https://login.microsoftonline.com/organizations/v2.0` names
    /// `https://login.microsoftonline.com/{tenantid}/v2.0`.
    pub fn with_document_issuer(mut self, expected: impl Into<String>) -> Self {
        if let Target::Issuer { issuer, .. } = &mut self.target {
            *issuer = expected.into();
        }
        self
    }

    /// The clock. The operating system's by default.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The least and the most that `Cache-Control` can say. 1 minute to 1 hour by default.
    pub fn with_lifetime(mut self, range: RangeInclusive<Duration>) -> Self {
        self.lifetimes.least = *range.start();
        self.lifetimes.most = *range.end();
        self
    }

    /// The lifetime of keys that come without `Cache-Control`. 15 minutes by default.
    pub fn with_default_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetimes.unsaid = lifetime;
        self
    }

    /// How long keys stay in use after their lifetime when the issuer cannot be reached. 24 hours by
    /// default.
    pub fn with_max_stale(mut self, max_stale: Duration) -> Self {
        self.pace.max_stale = max_stale;
        self
    }

    /// The pause between two fetches that tokens with unknown keys ask for. 10 seconds by default.
    pub fn with_cool_down(mut self, cool_down: Duration) -> Self {
        self.pace.cool_down = cool_down;
        self
    }

    /// How long one HTTP exchange may take. 5 seconds by default. A fetch is up to three exchanges, and up
    /// to three redirects for each.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The longest document that is read, in bytes. 512 KiB by default.
    pub fn with_max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Keys over `reqwest`, refreshed on the Tokio runtime.
    ///
    /// # Errors
    ///
    /// When the URL may not be fetched from.
    #[cfg(feature = "reqwest")]
    pub fn build(self) -> Result<RemoteKeys, EndpointError> {
        let transport = crate::transport::ReqwestTransport;
        self.build_with(Arc::new(transport), Arc::new(crate::transport::TokioSpawn))
    }

    /// Keys over any transport, refreshed wherever `spawn` runs its tasks.
    ///
    /// # Errors
    ///
    /// When the URL may not be fetched from.
    pub fn build_with(
        self,
        transport: Arc<dyn Transport>,
        spawn: Arc<dyn Spawn>,
    ) -> Result<RemoteKeys, EndpointError> {
        let endpoint = match self.target {
            Target::Issuer { url, issuer } => {
                Endpoint::Issuer { url: endpoint::issuer(&url)?, issuer: issuer.into() }
            }
            Target::KeySet(url) => Endpoint::KeySet(endpoint::key_url(&url)?),
        };
        let fetcher = Fetcher {
            endpoint,
            transport,
            timeout: self.timeout,
            max_bytes: self.max_bytes,
            lifetimes: self.lifetimes,
        };
        let inner = Inner {
            fetcher,
            pace: self.pace,
            clock: self.clock,
            spawn,
            snapshot: ArcSwapOption::empty(),
            flight: std::sync::Mutex::default(),
            counters: super::status::Counters::default(),
        };
        Ok(RemoteKeys { inner: Arc::new(inner) })
    }
}
