//! What answers a request.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use bonafide_mcp::{Gateway, GatewayBody};
use http_body_util::Either;
use hyper::body::Incoming;
use tower_service::Service as _;

/// The head of a request.
pub(crate) const HEAD_BYTES: usize = 64 * 1024;

/// All routes, and a short way to those that nearly all requests are for.
#[derive(Debug, Clone)]
pub(crate) struct Routes {
    gateway: Gateway,
    /// Everything, the gateway's endpoints included.
    router: Router,
}

impl Routes {
    /// The gateway behind `router`, for every path that has no route there.
    pub(crate) fn new(gateway: Gateway, router: Router) -> Self {
        let router = router.fallback_service(gateway.clone());
        Self { gateway, router }
    }

    pub(crate) fn router(&self) -> &Router {
        &self.router
    }

    /// Ends what would stand for as long as its client stays.
    pub(crate) fn drain(&self) {
        self.gateway.drain();
    }

    /// Through the router a request to the gateway would be matched twice and boxed, and so would its answer.
    ///
    /// Called at once, and boxed: a stream that stands idle keeps the room for what is given back here.
    pub(crate) fn answer(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Either<GatewayBody, Body>>, Infallible>> + Send + use<>
    {
        let answer = if head_len(&request) > HEAD_BYTES {
            None
        } else if is_endpoint(request.uri().path()) {
            Some(Either::Left(self.gateway.clone().call(request)))
        } else {
            Some(Either::Right(Box::pin(self.router.clone().call(request))))
        };
        async move {
            Ok(match answer {
                Some(Either::Left(gateway)) => gateway.await?.map(Either::Left),
                Some(Either::Right(router)) => router.await?.map(Either::Right),
                None => {
                    let too_large = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
                    (too_large, [(header::CONNECTION, "close")]).into_response().map(Either::Right)
                }
            })
        }
    }
}

/// How long the head is, as HTTP/1.1 would have it: what hyper reads of one at most depends on how it arrives.
fn head_len(request: &Request<Incoming>) -> usize {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    // A colon, a space and the end of the line.
    let headers = request.headers().iter();
    target + headers.map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>()
}

/// Whether this is `/{tenant}/mcp`, and not the page `/connections/{tenant}` of a tenant `mcp`.
fn is_endpoint(path: &str) -> bool {
    let tenant = path.strip_prefix('/').and_then(|path| path.strip_suffix("/mcp"));
    tenant.is_some_and(|tenant| !tenant.contains('/') && tenant != "connections")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_the_api_stay_with_the_router() {
        assert!(is_endpoint("/github/mcp"));
        for path in [
            "/",
            "/mcp",
            "/connections/mcp",
            "/api/tenants/github/variables/mcp",
            "/.well-known/oauth-protected-resource/github/mcp",
            "/github/mcp/",
            "/healthz",
        ] {
            assert!(!is_endpoint(path), "{path}");
        }
    }
}
