//! The gateway as a tower service.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bonafide_tower::{ProtectedResource, WELL_KNOWN};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use tower_service::Service;
use tracing::Instrument as _;

use super::endpoint::unable;
use super::trace::trace_id;
use super::{Gateway, Shared};
use crate::GatewayBody;
use crate::refusal::{code, error};

impl<B> Service<Request<B>> for Gateway
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<GatewayBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let gateway = self.clone();
        // By reference from here on: each step would have room for its own.
        let (mut parts, body) = request.into_parts();
        Box::pin(async move { Ok(gateway.answer(&mut parts, pin!(body)).await) })
    }
}

impl Gateway {
    async fn answer<B>(&self, parts: &mut Parts, body: Pin<&mut B>) -> Response<GatewayBody>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let shared = &self.shared;
        let id = shared.trail.name(parts);
        shared.trace_ids.continue_trace(&mut parts.headers);
        let span =
            tracing::info_span!("request", id = id.as_str(), trace = trace_id(&parts.headers));
        let mut response = answer(shared, parts, body).instrument(span).await;
        id.tell(response.headers_mut());
        if parts.method == Method::HEAD {
            leave_out_body(&mut response);
        }
        response
    }
}

/// An answer to `HEAD` says how long the body would be, and has none (RFC 9110, section 9.3.2). hyper sees to that by HTTP/1.1
/// only.
fn leave_out_body(response: &mut Response<GatewayBody>) {
    let body = std::mem::take(response.body_mut());
    if let Some(length) = body.size_hint().exact() {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
}

async fn answer<B>(
    shared: &Arc<Shared>,
    parts: &mut Parts,
    body: Pin<&mut B>,
) -> Response<GatewayBody>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match route(parts.uri.path()) {
        Some(Route::Endpoint(tenant)) => {
            let tenant = tenant.parse().ok();
            shared.endpoint(tenant, parts, body).await
        }
        Some(Route::Metadata(tenant)) => shared.metadata(tenant, parts),
        None if parts.uri.path() == "/.well-known/jwks.json" => shared.keys(parts),
        // Clients look for metadata in several places, without a token.
        None if parts.uri.path().starts_with("/.well-known/") => not_found(),
        None => shared.endpoint(None, parts, body).await,
    }
}

enum Route<'a> {
    Endpoint(&'a str),
    Metadata(&'a str),
}

fn route(path: &str) -> Option<Route<'_>> {
    if let Some(path) = path.strip_prefix(WELL_KNOWN) {
        return tenant(path).map(Route::Metadata);
    }
    tenant(path).map(Route::Endpoint)
}

/// The tenant of `/{tenant}/mcp`.
fn tenant(path: &str) -> Option<&str> {
    let tenant = path.strip_prefix('/')?.strip_suffix("/mcp")?;
    (!tenant.contains('/')).then_some(tenant)
}

impl Shared {
    /// The document of RFC 9728 for a tenant. Public: it says how to get a token, not who may.
    fn metadata(&self, tenant: &str, parts: &Parts) -> Response<GatewayBody> {
        let directory = self.directory.load();
        let resource = directory.tenant(tenant).and_then(|tenant| {
            Some(self.resource(tenant.id(), Some(tenant))?.with_name(tenant.title()))
        });
        let Some(resource) = resource else { return not_found() };
        if parts.method != Method::GET && parts.method != Method::HEAD {
            return method_not_allowed("GET, HEAD");
        }
        let mut response = Response::new(GatewayBody::full(resource.document()));
        response.headers_mut().extend(ProtectedResource::document_headers());
        response
    }
}

impl Shared {
    /// The keys that verify our assertions. Public, as every key of an issuer is.
    fn keys(&self, parts: &Parts) -> Response<GatewayBody> {
        if parts.method != Method::GET && parts.method != Method::HEAD {
            return method_not_allowed("GET, HEAD");
        }
        let document = match self.assertions.document(SystemTime::now()) {
            Ok(document) => document,
            Err(failure) => return *unable(None, &failure).response,
        };
        let mut response = Response::new(GatewayBody::full(document.as_bytes().to_vec()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}

pub(super) fn not_found() -> Response<GatewayBody> {
    error(StatusCode::NOT_FOUND, None, code::NOT_FOUND, "there is no such tenant")
}

pub(super) fn method_not_allowed(allowed: &'static str) -> Response<GatewayBody> {
    let mut response = error(
        StatusCode::METHOD_NOT_ALLOWED,
        None,
        code::INVALID_REQUEST,
        "this method is not for this path",
    );
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::Empty;

    use super::*;

    /// From 7 KiB on it would be given the places of hyper's buffers of 8 KiB. Of those, an idle stream has one page in
    /// memory, and two where a request was before.
    #[test]
    fn a_request_takes_less_room_than_a_buffer() {
        fn size<A, B, C, F: Future>(_: impl Fn(A, B, C) -> F) -> usize {
            size_of::<F>()
        }
        let size = size(
            |gateway: &'static Gateway,
             parts: &'static mut Parts,
             body: Pin<&'static mut Empty<Bytes>>| gateway.answer(parts, body),
        );
        assert!(size < 6 * 1024, "{size}");
    }

    #[test]
    fn only_the_paths_of_the_contract_are_routes() {
        assert!(matches!(route("/github/mcp"), Some(Route::Endpoint("github"))));
        assert!(matches!(
            route("/.well-known/oauth-protected-resource/github/mcp"),
            Some(Route::Metadata("github"))
        ));
        for path in ["/", "/mcp", "/a/b/mcp", "/github/mcp/", "/github", "//mcp/x", "github/mcp"] {
            assert!(route(path).is_none(), "{path}");
        }
    }
}
