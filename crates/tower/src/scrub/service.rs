//! The service that [`ScrubLayer`](super::ScrubLayer) makes.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::Request;
use tower_service::Service;

use super::IdentityHeaders;

/// Removes identity headers from each request, then calls the inner service.
#[derive(Debug, Clone)]
pub struct Scrub<S> {
    pub(super) inner: S,
    pub(super) names: Arc<IdentityHeaders>,
}

impl<S, B> Service<Request<B>> for Scrub<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        self.names.scrub(request.headers_mut());
        self.inner.call(request)
    }
}
