//! The layer that makes [`Scrub`].

use std::sync::Arc;

use tower_layer::Layer;

use super::{IdentityHeaders, Scrub};

/// Removes every identity header that a client sent, before the inner service can see it.
///
/// For services that keep reading such headers from a trusted hop further in: put this layer outermost.
///
/// ```
/// use bonafide_tower::{IdentityHeaders, ScrubLayer};
/// use http::{HeaderName, Request, Response};
/// use tower::{Layer, Service, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let inner = service_fn(|request: Request<()>| async move {
///     assert!(!request.headers().contains_key("x-user-id"));
///     Ok::<_, std::convert::Infallible>(Response::new(()))
/// });
/// let service = ScrubLayer::new(IdentityHeaders::new()).layer(inner);
/// let forged = Request::builder().header("X-User-Id", "admin").body(()).unwrap();
/// service.oneshot(forged).await.unwrap();
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ScrubLayer {
    names: Arc<IdentityHeaders>,
}

impl ScrubLayer {
    /// Removes `names`.
    #[must_use]
    pub fn new(names: IdentityHeaders) -> Self {
        Self { names: Arc::new(names) }
    }
}

impl<S> Layer<S> for ScrubLayer {
    type Service = Scrub<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Scrub { inner, names: Arc::clone(&self.names) }
    }
}
