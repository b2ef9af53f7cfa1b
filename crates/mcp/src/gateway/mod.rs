//! The gateway: one service for all tenants.

mod authorize;
mod builder;
mod credential;
mod endpoint;
mod forward;
mod held;
mod metrics;
mod scopes;
mod service;
mod sessions;
mod tasks;
mod trace;
mod trail;
mod variables;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bonafide_policy::TenantId;
use bonafide_tower::{AllowedHosts, Authenticator, ProtectedResource, RequiredScopes};
use bonafide_vault::SecretStore;
pub use builder::{BuildError, GatewayBuilder};
use url::Url;
pub(crate) use variables::UserVariables;

use crate::ask::Asker;
use crate::assertion::Assertions;
use crate::backend::Backends;
use crate::quota::{Meter, Seats};
use crate::session::SessionKeys;
use crate::tasks::TaskKeys;
use crate::{Limits, SharedDirectory, Tenant, TenantScopes};
use metrics::Metrics;
use trace::TraceIds;
use trail::Trail;

/// Serves `/{tenant}/mcp` and the metadata of each tenant.
///
/// A tower service over HTTP requests that never fails: whatever goes wrong is an answer. Cloning costs a
/// reference count.
#[derive(Debug, Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    authenticator: Authenticator,
    directory: SharedDirectory,
    secrets: SecretStore,
    public_url: Url,
    hosts: AllowedHosts,
    sessions: SessionKeys,
    tasks: Arc<TaskKeys>,
    asker: Asker,
    assertions: Assertions,
    limits: Limits,
    backends: Backends,
    metrics: Metrics,
    meter: Meter,
    seats: Seats,
    trail: Trail,
    trace_ids: TraceIds,
    /// Whether what stands ends at once. Set once, and never unset.
    draining: Arc<AtomicBool>,
}

impl Gateway {
    /// A gateway that knows its users by `authenticator`, sends them where `directory` lets them, with what
    /// `secrets` keeps for them. Clients address it as `public_url`.
    pub fn builder(
        authenticator: Authenticator,
        directory: SharedDirectory,
        secrets: SecretStore,
        public_url: Url,
    ) -> GatewayBuilder {
        GatewayBuilder::new(authenticator, directory, secrets, public_url)
    }

    /// Ends what would keep a server from ending: to be called when it begins to shut down, on any clone. There is no
    /// way back.
    ///
    /// Standing event streams (GET and `subscriptions/listen`) end at once, as complete answers, and so does each that is
    /// opened from now on. A `tasks/result` that waits for its task is answered that it has to be asked again. A request
    /// that waits for its user to enter a credential asks for it again within a second. Everything else goes on as
    /// before: calls that run are answered, and new ones are taken; how long for is up to the server.
    pub fn drain(&self) {
        self.shared.draining.store(true, Ordering::Release);
        self.shared.directory.look_again();
    }
}

impl Shared {
    /// The endpoint of that name as a protected resource. `None` if the public URL can't have such a path.
    fn resource(&self, id: &TenantId, tenant: Option<&Tenant>) -> Option<ProtectedResource> {
        let url = self.public_url.join(&format!("/{}/mcp", id.as_str())).ok()?;
        let mut resource = ProtectedResource::new(url).ok()?;
        for server in self.authenticator.authorization_servers() {
            resource = resource.with_authorization_server(server);
        }
        let scopes = tenant.and_then(Tenant::scopes).map(TenantScopes::basic);
        for scope in scopes.into_iter().flat_map(RequiredScopes::iter) {
            resource = resource.with_scope(scope.clone());
        }
        Some(resource)
    }
}
