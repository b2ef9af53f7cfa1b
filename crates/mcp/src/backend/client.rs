//! Kept connections to backends.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

use super::connect::Connector;
use crate::{Limits, Tenant};

/// Connections to all backends, pooled by origin. Follows no redirect and reads no proxy variable, so that a
/// secret goes to the configured origin or nowhere.
#[derive(Debug, Clone)]
pub(crate) struct Backends {
    client: Client<Connector, Full<Bytes>>,
    answer_time: Duration,
}

/// The operating system's certificates can't be used.
#[derive(Debug, thiserror::Error)]
#[error("the operating system's certificates can't be read: install `ca-certificates`")]
pub struct TlsError(#[source] std::io::Error);

/// Why a backend gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("no connection to the backend, or it broke")]
    Connection(#[source] hyper_util::client::legacy::Error),
    #[error("the backend did not accept a connection in time")]
    ConnectTime(#[source] hyper_util::client::legacy::Error),
    #[error("the backend did not answer in time")]
    AnswerTime,
}

impl CallError {
    pub(crate) fn is_timeout(&self) -> bool {
        matches!(self, Self::ConnectTime(_) | Self::AnswerTime)
    }
}

impl Backends {
    pub(crate) fn new(limits: &Limits) -> Result<Self, TlsError> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(limits.connect_time));
        connector.set_nodelay(true);
        connector.set_keepalive(Some(Duration::from_secs(60)));
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_platform_verifier(rustls::crypto::aws_lc_rs::default_provider())
            .map_err(TlsError)?
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            // A connection whose other end has vanished must not swallow requests.
            .http2_keep_alive_interval(Duration::from_secs(20))
            .http2_keep_alive_timeout(Duration::from_secs(10))
            .http2_keep_alive_while_idle(true)
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .build(Connector(connector));
        Ok(Self { client, answer_time: limits.answer_time })
    }

    /// Sends a request to the tenant's backend and waits for the head of the answer. Dropping the future, or the
    /// body of the answer, tells the backend that the client has gone.
    pub(crate) async fn call(
        &self,
        tenant: &Tenant,
        method: Method,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, CallError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = tenant.uri().clone();
        *request.headers_mut() = headers;
        match timeout(self.answer_time, self.client.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if timed_out(&error) => Err(CallError::ConnectTime(error)),
            Ok(Err(error)) => Err(CallError::Connection(error)),
            Err(_) => Err(CallError::AnswerTime),
        }
    }
}

/// Whether an I/O error somewhere below was a time-out: the connector reports one as such.
fn timed_out(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source())
        .filter_map(|error| error.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::TimedOut)
}
