//! The router.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, put};
use bonafide_mcp::SharedDirectory;
use bonafide_policy::TenantId;
use bonafide_tower::{AllowedHosts, AuthenticateLayer, Authenticator};
use bonafide_vault::SecretStore;
use url::Url;

use crate::problem::Problem;
use crate::{api, page};

/// The largest request body, in bytes. A credential is short.
const BODY_LIMIT: usize = 64 * 1024;

/// The API (`/api/tenants…`) and the pages (`/connections…`) of the contract.
#[derive(Debug, Clone)]
pub struct Portal {
    authenticator: Authenticator,
    shared: Arc<Shared>,
}

#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) directory: SharedDirectory,
    pub(crate) secrets: SecretStore,
    pub(crate) public_url: Url,
    pub(crate) hosts: AllowedHosts,
}

impl Portal {
    /// A portal for the users that `authenticator` knows, over the same tenants, policy and vault as the gateway.
    #[must_use]
    pub fn new(
        authenticator: Authenticator,
        directory: SharedDirectory,
        secrets: SecretStore,
        public_url: Url,
    ) -> Self {
        let hosts = AllowedHosts::new(&public_url);
        let shared = Shared { directory, secrets, public_url, hosts };
        Self { authenticator, shared: Arc::new(shared) }
    }

    /// Under which names and from which pages it may be called. Default: those of the public URL.
    #[must_use]
    pub fn with_hosts(mut self, hosts: AllowedHosts) -> Self {
        Arc::make_mut(&mut self.shared).hosts = hosts;
        self
    }

    /// The routes.
    ///
    /// # Security
    ///
    /// The API asks for a token with every request and sets no cookie. The pages show what the administrator
    /// wrote about each variable, and nothing about any user.
    pub fn router(&self) -> Router {
        let api = Router::new()
            .route("/api/tenants", get(api::list))
            .route("/api/tenants/{tenant}/variables/{name}", put(api::write).delete(api::remove))
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .layer(from_fn_with_state(Arc::clone(&self.shared), check_host))
            .layer(AuthenticateLayer::new(self.authenticator.clone()));
        let pages = Router::new()
            .route("/connections", get(page::overview))
            .route("/connections/style.css", get(page::style))
            .route("/connections/{tenant}", get(page::tenant))
            .layer(from_fn_with_state(Arc::clone(&self.shared), check_host));
        api.merge(pages).with_state(Arc::clone(&self.shared))
    }
}

impl Shared {
    /// The public URL of a path that begins with `/`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.public_url.as_str().trim_end_matches('/'))
    }

    pub(crate) fn page(&self, tenant: &TenantId) -> String {
        self.url(&format!("/connections/{}", tenant.as_str()))
    }
}

/// Refuses names and pages that are not ours, and keeps answers out of caches.
async fn check_host(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let mut response = match shared.hosts.check(&parts) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(refusal) => Problem::forbidden(refusal.to_string()).into_response(),
    };
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
