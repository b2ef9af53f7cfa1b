//! The transport over `reqwest`, and tasks on Tokio.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use url::Host;

use super::{Limits, Reach, RemoteAddress, Spawn, Transport, TransportError};

/// HTTP over `reqwest` and `rustls`, with the certificates that the operating system trusts.
///
/// Needs a Tokio runtime. Takes no proxy from the environment.
#[derive(Debug, Clone, Default)]
pub struct ReqwestTransport;

#[async_trait]
impl Transport for ReqwestTransport {
    async fn send(
        &self,
        request: Request<Bytes>,
        limits: Limits,
    ) -> Result<Response<Bytes>, TransportError> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(TransportError::Failed("there is no Tokio runtime here".into()));
        }
        let fail = |error: reqwest::Error| failure(error, limits);
        let request = reqwest::Request::try_from(request.map(reqwest::Body::from)).map_err(fail)?;
        check_literal(request.url(), limits.reach)?;
        let answer = client(limits).map_err(fail)?.execute(request).await.map_err(fail)?;
        read(answer, limits).await
    }
}

/// A client for one exchange. Keys are fetched a few times a day: a connection that is kept open for hours
/// would only be one more thing that can break, and each exchange has a reach of its own.
fn client(limits: Limits) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .referer(false)
        .timeout(limits.timeout)
        .connect_timeout(limits.timeout)
        .pool_max_idle_per_host(0)
        .dns_resolver(Arc::new(Guarded(limits.reach)))
        .user_agent(concat!("bonafide-jwks/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// An address that stands in the URL is not resolved, so it is checked here.
fn check_literal(url: &url::Url, reach: Reach) -> Result<(), TransportError> {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        Some(Host::Domain(_)) => return Ok(()),
        None => return Err(TransportError::Forbidden),
    };
    if reach.allows(address) { Ok(()) } else { Err(TransportError::Forbidden) }
}

async fn read(
    mut answer: reqwest::Response,
    limits: Limits,
) -> Result<Response<Bytes>, TransportError> {
    let too_large = || TransportError::TooLarge { max: limits.max_bytes };
    if answer.content_length().is_some_and(|len| len > limits.max_bytes as u64) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| failure(error, limits))? {
        if body.len() + chunk.len() > limits.max_bytes {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = Response::new(body.freeze());
    *response.status_mut() = answer.status();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    if let Some(remote) = answer.remote_addr() {
        response.extensions_mut().insert(RemoteAddress(remote.ip()));
    }
    Ok(response)
}

fn failure(error: reqwest::Error, limits: Limits) -> TransportError {
    if error.is_timeout() {
        return TransportError::Timeout(limits.timeout);
    }
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(inner) = cause {
        if inner.is::<NoAllowedAddress>() {
            return TransportError::Forbidden;
        }
        cause = inner.source();
    }
    TransportError::Failed(Box::new(error.without_url()))
}

/// Resolves names to the addresses that may be reached. What it returns is what is connected to, so that
/// a name cannot change between check and use.
#[derive(Debug)]
struct Guarded(Reach);

#[derive(Debug, thiserror::Error)]
#[error("no address of the host may be reached")]
struct NoAllowedAddress;

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|at| reach.allows(at.ip())).collect();
            if allowed.is_empty() {
                return Err(NoAllowedAddress.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Tasks on the Tokio runtime of the request that starts them.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioSpawn;

impl Spawn for TokioSpawn {
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(task);
        }
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
