//! The service that [`AuthenticateLayer`](super::AuthenticateLayer) makes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::{AuthenticateError, Authenticator, Challenge, Peer};
use crate::ProtectedResource;

/// Verifies the token of each request before it calls the inner service.
#[derive(Debug, Clone)]
pub struct Authenticate<S> {
    pub(super) inner: S,
    pub(super) authenticator: Authenticator,
    pub(super) resource: Option<Arc<ProtectedResource>>,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Authenticate<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    ReqBody: Send + 'static,
    ResBody: Default,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        // The inner service that was polled ready must be the one that is called.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let authenticator = self.authenticator.clone();
        let resource = self.resource.clone();
        Box::pin(async move {
            let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
            match authenticator.authenticate_from(request.headers(), peer).await {
                Ok(user) => {
                    for name in authenticator.token_headers() {
                        request.headers_mut().remove(name);
                    }
                    request.extensions_mut().insert(user);
                    inner.call(request).await
                }
                Err(error) => Ok(refusal(&error, resource.as_deref())),
            }
        })
    }
}

fn refusal<B: Default>(
    error: &AuthenticateError,
    resource: Option<&ProtectedResource>,
) -> Response<B> {
    tracing::info!(%error, "refused a request without a valid token");
    let mut challenge = Challenge::new(error);
    if let Some(resource) = resource {
        challenge = challenge.with_resource(resource);
    }
    let mut response = Response::new(B::default());
    challenge.apply(&mut response);
    response
}
