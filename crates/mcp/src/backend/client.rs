//! Kept connections to backends.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;
use tower_service::Service as _;

use super::in_time::InTime;
use super::plain::{Connection, SendError};
use super::pool::Pool;
use super::source::Source;
use crate::tenant::Plain;
use crate::{Limits, Tenant};

/// Connections to all backends. Follows no redirect and reads no proxy variable, so that a secret goes to the
/// configured origin or nowhere.
///
/// Those with TLS, by HTTP/1.1 or HTTP/2, are in the pool of hyper's client. One without is driven by the request that
/// uses it, and is kept with its tenant: such a backend is near, and to wake another task for it is much of what a request
/// costs.
#[derive(Debug, Clone)]
pub(crate) struct Backends {
    client: Client<InTime<HttpsConnector<HttpConnector>>, Full<Bytes>>,
    plain: InTime<HttpConnector>,
}

/// The operating system's certificates can't be used.
#[derive(Debug, thiserror::Error)]
#[error("the operating system's certificates can't be read: install `ca-certificates`")]
pub struct TlsError(#[source] io::Error);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Why a backend gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("no connection to the backend, or it broke")]
    Connection(#[source] Failure),
    #[error("the backend did not accept a connection in time")]
    ConnectTime(#[source] Failure),
    #[error("the backend did not answer in time")]
    AnswerTime,
    #[error("the user's token or permit ended before the backend answered")]
    Ended,
}

impl CallError {
    fn connection(failure: impl Into<Failure>) -> Self {
        let failure = failure.into();
        match timed_out(&*failure) {
            true => Self::ConnectTime(failure),
            false => Self::Connection(failure),
        }
    }
}

impl Backends {
    pub(crate) fn new(limits: &Limits) -> Result<Self, TlsError> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(limits.connect_time));
        connector.set_nodelay(true);
        connector.set_keepalive(Some(Duration::from_secs(60)));
        let limit = limits.answer_time;
        let plain = InTime { connector: connector.clone(), limit };
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_platform_verifier(rustls::crypto::aws_lc_rs::default_provider())
            .map_err(TlsError)?
            .https_only()
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
            .build(InTime { connector, limit });
        Ok(Self { client, plain })
    }

    /// Sends a request to the tenant's backend and waits for the head of the answer, for `limit` at most. Dropping the
    /// future, or the body of the answer, tells the backend that the client has gone.
    pub(crate) async fn call(
        &self,
        tenant: &Tenant,
        method: Method,
        headers: HeaderMap,
        body: Bytes,
        limit: Duration,
    ) -> Result<Response<Source>, CallError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.headers_mut() = headers;
        if let Some(Plain { host, pool }) = tenant.plain() {
            *request.uri_mut() = tenant.target().clone();
            // Where the version is known only once there is a connection, hyper's client says it.
            request.headers_mut().insert(header::HOST, host.clone());
            return self.call_plain(tenant, pool, request, limit).await;
        }
        *request.uri_mut() = tenant.uri().clone();
        match timeout(limit, self.client.request(request)).await {
            Ok(Ok(response)) => Ok(response.map(Source::new)),
            Ok(Err(error)) => Err(CallError::connection(error)),
            Err(_) => Err(CallError::AnswerTime),
        }
    }

    async fn call_plain(
        &self,
        tenant: &Tenant,
        pool: &Arc<Pool>,
        mut request: Request<Full<Bytes>>,
        limit: Duration,
    ) -> Result<Response<Source>, CallError> {
        while let Some(mut connection) = pool.take() {
            match connection.send(request, limit).await {
                // The backend had closed it in the meantime.
                Err(SendError::Closed(unsent)) => request = *unsent,
                answer => return sent(connection, answer),
            }
        }
        let begin = Instant::now();
        let mut connection = Box::new(self.connect(tenant, pool).await?);
        let left = limit.saturating_sub(begin.elapsed());
        let answer = connection.send(request, left).await;
        sent(connection, answer)
    }

    async fn connect(&self, tenant: &Tenant, pool: &Arc<Pool>) -> Result<Connection, CallError> {
        let io =
            self.plain.clone().call(tenant.uri().clone()).await.map_err(CallError::connection)?;
        Connection::new(io, pool).await.map_err(CallError::connection)
    }
}

fn sent(
    connection: Box<Connection>,
    answer: Result<Response<Incoming>, SendError>,
) -> Result<Response<Source>, CallError> {
    match answer {
        Ok(response) => Ok(response.map(|body| Source::driven(connection, body))),
        Err(SendError::Closed(_)) => {
            Err(CallError::Connection(io::Error::from(io::ErrorKind::ConnectionAborted).into()))
        }
        Err(SendError::Broken(failure)) => Err(CallError::Connection(failure)),
        Err(SendError::Time) => Err(CallError::AnswerTime),
    }
}

/// Whether an I/O error somewhere below was a time-out: the connector reports one as such.
fn timed_out(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::TimedOut)
}
