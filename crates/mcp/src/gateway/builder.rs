//! How a gateway is put together.

use std::sync::Arc;

use bonafide_policy::Audit;
use bonafide_tower::{AllowedHosts, Authenticator};
use bonafide_vault::{KeyError, SecretStore};
use url::Url;

use super::metrics::Metrics;
use super::trace::TraceIds;
use super::trail::Trail;
use super::{Gateway, Shared};
use crate::ask::Asker;
use crate::assertion::Assertions;
use crate::backend::{Backends, TlsError};
use crate::quota::{Meter, Seats};
use crate::session::{NoRandomness, SessionKeys};
use crate::tasks::TaskKeys;
use crate::{Limits, Quotas, SharedDirectory};

/// Builds a [`Gateway`].
#[derive(Debug)]
#[must_use]
pub struct GatewayBuilder {
    authenticator: Authenticator,
    directory: SharedDirectory,
    secrets: SecretStore,
    public_url: Url,
    hosts: AllowedHosts,
    limits: Limits,
    quotas: Quotas,
    audit: Option<Audit>,
}

/// Why a gateway can't be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Clients could not address it.
    #[error("the public URL is an `https` or `http` URL without path, query and fragment")]
    PublicUrl,
    /// No TLS to backends.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No random ids for requests.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// No keys for what clients carry for us.
    #[error("no keys can be derived from the master key")]
    Keys(#[from] KeyError),
}

impl GatewayBuilder {
    pub(super) fn new(
        authenticator: Authenticator,
        directory: SharedDirectory,
        secrets: SecretStore,
        public_url: Url,
    ) -> Self {
        let hosts = AllowedHosts::new(&public_url);
        let limits = Limits::default();
        let quotas = Quotas::default();
        Self { authenticator, directory, secrets, public_url, hosts, limits, quotas, audit: None }
    }

    /// Under which names and from which pages it may be called. Default: those of the public URL.
    pub fn with_hosts(mut self, hosts: AllowedHosts) -> Self {
        self.hosts = hosts;
        self
    }

    /// How much one user may ask of one tenant. Default: any number of requests.
    pub fn with_quotas(mut self, quotas: Quotas) -> Self {
        self.quotas = quotas;
        self
    }

    /// How much and how long.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Where decisions are written down: one for each request of a verified user to a tenant, about the tool if it
    /// calls one. A request that waited for a credential is decided about again when it goes on. Default: nowhere.
    ///
    /// # Security
    ///
    /// A decision says who the user is, and which tool they asked for as they wrote it; never an argument or a
    /// credential. Its request id is the client's own `X-Request-Id` if there is one in visible ASCII: a client may
    /// choose it.
    pub fn with_audit(mut self, audit: Audit) -> Self {
        self.audit = Some(audit);
        self
    }

    /// The gateway.
    ///
    /// # Errors
    ///
    /// If the public URL is not the root of an origin, or the operating system gives no certificates or no random
    /// bytes.
    pub fn build(self) -> Result<Gateway, BuildError> {
        let url = &self.public_url;
        let root = matches!(url.scheme(), "https" | "http")
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none();
        if !root {
            return Err(BuildError::PublicUrl);
        }
        let sealer = self.secrets.sealer();
        let sessions = SessionKeys::new(sealer.keyring())?;
        let tasks = Arc::new(TaskKeys::new(sealer.keyring())?);
        let asker = Asker::new(sealer.keyring(), self.public_url.clone())?;
        let assertions = Assertions::new(sealer.keyring(), self.public_url.as_str())?;
        let backends = Backends::new(&self.limits)?;
        Ok(Gateway {
            shared: Arc::new(Shared {
                authenticator: self.authenticator,
                directory: self.directory,
                secrets: self.secrets,
                public_url: self.public_url,
                hosts: self.hosts,
                sessions,
                tasks,
                asker,
                assertions,
                limits: self.limits,
                backends,
                metrics: Metrics::new(),
                meter: Meter::new(self.quotas),
                seats: Seats::new(),
                trail: Trail::new(self.audit)?,
                trace_ids: TraceIds::new()?,
                draining: Arc::default(),
            }),
        })
    }
}
