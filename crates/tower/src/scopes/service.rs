//! The service that [`RequireScopesLayer`](super::RequireScopesLayer) makes.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bonafide_claims::{Assurance, VerifiedUser};
use http::{Request, Response, StatusCode};
use tower_service::Service;

use super::{RequiredScopes, ScopeHierarchy};
use crate::{AuthenticateError, Challenge, ProtectedResource};

/// Looks for scopes in the token of each request before it calls the inner service.
#[derive(Debug, Clone)]
pub struct RequireScopes<S> {
    pub(super) inner: S,
    pub(super) required: Arc<RequiredScopes>,
    pub(super) hierarchy: Arc<ScopeHierarchy>,
    pub(super) resource: Option<Arc<ProtectedResource>>,
}

impl<S> RequireScopes<S> {
    /// The answer to a request of `user` that goes no further.
    fn refusal<B: Default>(&self, user: Option<&VerifiedUser>) -> Option<Response<B>> {
        let challenge = match user {
            Some(user) if self.required.are_met_by(user, &self.hierarchy) => return None,
            Some(user) if user.assurance() == Assurance::Issuer => {
                Some(Challenge::insufficient_scope(&self.required))
            }
            Some(_) => None,
            None => Some(Challenge::new(&AuthenticateError::NoToken)),
        };
        tracing::info!(scopes = %self.required, "refused a request whose token lacks scopes");
        let mut response = Response::new(B::default());
        *response.status_mut() = StatusCode::FORBIDDEN;
        if let Some(mut challenge) = challenge {
            if let Some(resource) = &self.resource {
                challenge = challenge.with_resource(resource);
            }
            challenge.apply(&mut response);
        }
        Some(response)
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for RequireScopes<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    ResBody: Default + Send + 'static,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        match self.refusal(request.extensions().get::<VerifiedUser>()) {
            Some(response) => Box::pin(ready(Ok(response))),
            None => Box::pin(self.inner.call(request)),
        }
    }
}
