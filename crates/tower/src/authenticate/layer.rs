//! The layer that makes [`Authenticate`].

use std::sync::Arc;

use tower_layer::Layer;

use super::{Authenticate, Authenticator};
use crate::ProtectedResource;

/// Lets only requests through whose token verifies, each with its [`VerifiedUser`] in the extensions.
///
/// The headers that held the token are removed: what runs behind needs the user, not the token.
///
/// [`VerifiedUser`]: bonafide_claims::VerifiedUser
#[derive(Debug, Clone)]
pub struct AuthenticateLayer {
    authenticator: Authenticator,
    resource: Option<Arc<ProtectedResource>>,
}

impl AuthenticateLayer {
    /// Lets through whom `authenticator` knows.
    #[must_use]
    pub fn new(authenticator: Authenticator) -> Self {
        Self { authenticator, resource: None }
    }

    /// Points refused clients to the metadata of `resource`. Serving the document is up to the caller:
    /// [`ProtectedResource::metadata_path`] and [`ProtectedResource::document`].
    #[must_use]
    pub fn with_resource(mut self, resource: ProtectedResource) -> Self {
        self.resource = Some(Arc::new(resource));
        self
    }
}

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authenticate {
            inner,
            authenticator: self.authenticator.clone(),
            resource: self.resource.clone(),
        }
    }
}
