//! The layer that makes [`RequireScopes`].

use std::sync::Arc;

use tower_layer::Layer;

use super::{RequireScopes, RequiredScopes, ScopeHierarchy};
use crate::ProtectedResource;

/// Lets only requests through whose verified user's token has all of some scopes. It goes behind
/// [`AuthenticateLayer`](crate::AuthenticateLayer), which says who the user is.
///
/// Everybody else gets 403 and is told which scopes to ask for: `insufficient_scope` (RFC 6750, section 3.1; MCP,
/// "runtime insufficient scope errors"). Users of a [`TrustedHop`](crate::TrustedHop) have no token that could get more, and get
/// a plain 403; a request without a user gets 401.
///
/// ```
/// use bonafide_testkit::Issuer;
/// use bonafide_tower::{AuthenticateLayer, Authenticator, RequireScopesLayer, RequiredScopes};
/// use http::{Request, Response, StatusCode, header};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let idp = Issuer::new("https://idp.example");
/// let inner = service_fn(|_: Request<()>| async { Ok::<_, std::convert::Infallible>(Response::new(())) });
/// let service = RequireScopesLayer::new(RequiredScopes::new(["notes:write"])?).layer(inner);
/// let service = AuthenticateLayer::new(Authenticator::bearer(idp.verifier())).layer(service);
/// let request = |scopes: &[&str]| {
///     let token = idp.user("alice").with_scopes(scopes.iter().copied()).token();
///     Request::builder().header("authorization", format!("Bearer {token}")).body(())
/// };
///
/// let response = service.clone().oneshot(request(&["notes:write"])?).await?;
/// assert_eq!(response.status(), StatusCode::OK);
///
/// let response = service.oneshot(request(&["notes:read"])?).await?;
/// assert_eq!(response.status(), StatusCode::FORBIDDEN);
/// let challenge = response.headers()[header::WWW_AUTHENTICATE].to_str()?;
/// assert!(challenge.starts_with("Bearer error=\"insufficient_scope\""));
/// assert!(challenge.ends_with("scope=\"notes:write\""));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct RequireScopesLayer {
    required: Arc<RequiredScopes>,
    hierarchy: Arc<ScopeHierarchy>,
    resource: Option<Arc<ProtectedResource>>,
}

impl RequireScopesLayer {
    /// Lets through whose token has all of these.
    #[must_use]
    pub fn new(required: RequiredScopes) -> Self {
        Self { required: Arc::new(required), hierarchy: Arc::default(), resource: None }
    }

    /// Scopes that imply others. Default: none does.
    #[must_use]
    pub fn with_hierarchy(mut self, hierarchy: ScopeHierarchy) -> Self {
        self.hierarchy = Arc::new(hierarchy);
        self
    }

    /// Points refused clients to the metadata of `resource`.
    #[must_use]
    pub fn with_resource(mut self, resource: ProtectedResource) -> Self {
        self.resource = Some(Arc::new(resource));
        self
    }
}

impl<S> Layer<S> for RequireScopesLayer {
    type Service = RequireScopes<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireScopes {
            inner,
            required: Arc::clone(&self.required),
            hierarchy: Arc::clone(&self.hierarchy),
            resource: self.resource.clone(),
        }
    }
}
