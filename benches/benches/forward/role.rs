//! What the processes do.

use std::convert::Infallible;
use std::future::Future;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bonafide_proxy::{Config, Environment, Proxy};
use bonafide_testkit::AUDIENCE;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, Collected, Either, Empty, Full, StreamBody};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::MissedTickBehavior;

use crate::{Error, events};

pub(crate) const BACKEND: &str = "backend";
pub(crate) const FLOOR: &str = "floor";
pub(crate) const STEPS: &str = "steps";
pub(crate) const GATEWAY: &str = "gateway";
pub(crate) const CHECK: &str = "check";

/// Where the backend answers only those requests that carry the four rendered headers, so that the gateway can't
/// be fast by leaving work out.
pub(crate) const CHECKED_PATH: &str = "/mcp";
/// The same for those of the other tenant.
pub(crate) const CHECKED_JIRA_PATH: &str = "/jira";
/// Where it answers all of them.
pub(crate) const PLAIN_PATH: &str = "/plain";
/// Where it is an MCP server, as far as a proxy needs one that is a client of its own.
pub(crate) const SERVER_PATH: &str = "/server";

const RESULT: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"42 open issues in rust-lang/rust carry the label A-async-await; the latest is 149203."}],"isError":false}}"#;

/// Answers every `tools/call` with the same result.
pub(crate) async fn backend() -> Result<(), Error> {
    let listener = listen().await?;
    serve(listener, |request| async {
        if request.uri().path() == SERVER_PATH {
            return serve_mcp(request).await.map(Either::Left);
        }
        if request.method() == Method::GET {
            return events();
        }
        let complete = match request.uri().path() {
            PLAIN_PATH => true,
            CHECKED_JIRA_PATH => {
                has_headers(request.headers(), ("x-jira-authorization", b"Basic "))
            }
            _ => has_headers(request.headers(), ("x-user-email", b"user-")),
        };
        // A server reads what it is sent.
        let read = request.into_body().collect().await.is_ok();
        let mut response = Response::new(Full::new(Bytes::from_static(RESULT.as_bytes())));
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if !(complete && read) {
            *response.status_mut() = StatusCode::BAD_REQUEST;
        }
        response.map(Either::Left)
    })
    .await
}

/// A stream with an event in each millisecond.
fn events() -> Response<Either<Full<Bytes>, Events>> {
    let mut interval = tokio::time::interval(Duration::from_millis(1));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let events = futures_util::stream::unfold(interval, async |mut interval| {
        interval.tick().await;
        Some((Ok(Frame::data(events::event())), interval))
    });
    let mut response = Response::new(Either::Right(StreamBody::new(events.boxed())));
    let media_type = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

type Events = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

async fn serve_mcp(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let body = request.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let result = match message.get("method").and_then(Value::as_str) {
        Some("initialize") => json!({
            "protocolVersion": "2025-06-18",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "bench", "version": "1" },
        }),
        Some("tools/list") => json!({
            "tools": [{ "name": "count_issues", "inputSchema": { "type": "object" } }],
        }),
        Some("tools/call") => {
            let answer: Value = serde_json::from_str(RESULT).unwrap_or_default();
            answer.get("result").cloned().unwrap_or_default()
        }
        _ => json!({}),
    };
    let (status, body) = match message.get("id") {
        Some(id) => {
            (StatusCode::OK, json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string())
        }
        None => (StatusCode::ACCEPTED, String::new()),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Whether the four headers are there: those of both tenants, and another.
fn has_headers(headers: &HeaderMap, (name, value): (&str, &[u8])) -> bool {
    let begins = |name: &str, prefix: &[u8]| {
        headers.get(name).is_some_and(|value: &HeaderValue| value.as_bytes().starts_with(prefix))
    };
    begins("authorization", b"Bearer ghp_")
        && begins("x-user-id", b"user-")
        && begins(name, value)
        && begins("x-client", b"bonafide")
}

/// The least that a reverse proxy can do: another address, another connection, everything else as it comes.
pub(crate) async fn floor(backend: &str) -> Result<(), Error> {
    let (client, uri) = (client::<Incoming>(), uri(backend, PLAIN_PATH)?);
    let listener = listen().await?;
    serve(listener, move |mut request| {
        let (client, uri) = (client.clone(), uri.clone());
        async move {
            *request.uri_mut() = uri;
            request.headers_mut().remove(header::HOST);
            match client.request(request).await {
                Ok(response) => response.map(Either::Left),
                Err(_) => {
                    let mut response = Response::new(Either::Right(Empty::<Bytes>::new()));
                    *response.status_mut() = StatusCode::BAD_GATEWAY;
                    response
                }
            }
        }
    })
    .await
}

/// As plain proxies call a backend.
pub(crate) fn client<B>() -> Client<HttpConnector, B>
where
    B: http_body::Body<Data: Send> + Send,
{
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector)
}

pub(crate) fn uri(backend: &str, path: &str) -> Result<Uri, Error> {
    let authority: Authority = backend.parse()?;
    Ok(Uri::builder().scheme(Scheme::HTTP).authority(authority).path_and_query(path).build()?)
}

/// Says whether a token is good, for proxies that ask: 200 or 401.
pub(crate) async fn check(issuer: &str, key_set: &str) -> Result<(), Error> {
    let keys: JwkSet = serde_json::from_slice(&std::fs::read(key_set)?)?;
    let key = DecodingKey::from_jwk(keys.keys.first().ok_or("a key set without a key")?)?;
    let mut validation = Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[AUDIENCE]);
    let known = Arc::new((key, validation));
    serve(listen().await?, move |request| {
        let known = Arc::clone(&known);
        async move {
            let (key, validation) = &*known;
            let value = request.headers().get(header::AUTHORIZATION);
            let token = value.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
            let good = token.is_some_and(|token| {
                jsonwebtoken::decode::<IgnoredAny>(token, key, validation).is_ok()
            });
            let mut response = Response::new(Empty::<Bytes>::new());
            if !good {
                *response.status_mut() = StatusCode::UNAUTHORIZED;
            }
            response
        }
    })
    .await
}

/// The proxy as `mcp-proxy serve` runs it.
pub(crate) async fn gateway(file: &str) -> Result<(), Error> {
    let config = Config::load(Path::new(file), &Environment::of_process())?;
    let proxy = Proxy::new(config, listen().await?).await?;
    Ok(proxy.serve(std::future::pending()).await?)
}

/// Prints where it listens, and sees to it that the process does not outlive the one that started it.
pub(crate) async fn listen() -> Result<TcpListener, Error> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    println!("{}", listener.local_addr()?);
    thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    Ok(listener)
}

pub(crate) async fn serve<A, F, B>(listener: TcpListener, answer: A) -> Result<(), Error>
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Error>,
{
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answer = answer.clone();
        let service = service_fn(move |request| {
            let answered = answer(request);
            async { Ok::<_, Infallible>(answered.await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}
