//! How a proxy ends: what stands ends at once, what runs is answered, and nothing holds it up for good.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Method, Request, Response};
use axum::routing::any;
use bonafide_proxy::{Config, Environment, Proxy};
use bonafide_testkit::{IdentityProvider, Server};
use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// How long a call takes at the backend, and how long one of `slow`.
const CALL_TIME: Duration = Duration::from_secs(3);
const SLOW_TIME: Duration = Duration::from_secs(60);
/// Long before a drain time that nobody set.
const SOON: Duration = Duration::from_secs(6);

/// Streams that stand, and calls that take their time.
async fn backend() -> Server {
    let answer = |method: Method, body: Bytes| async move {
        let body = String::from_utf8_lossy(&body);
        if method == Method::GET || body.contains("subscriptions/listen") {
            let event = Bytes::from_static(b"data: {\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n\n");
            let answer = Response::builder().header("content-type", "text/event-stream");
            // One event, and no end.
            let events = stream::iter([Ok::<_, Infallible>(event)]).chain(stream::pending());
            return answer.body(Body::from_stream(events)).unwrap();
        }
        sleep(if body.contains("slow") { SLOW_TIME } else { CALL_TIME }).await;
        let answer = Response::builder().header("content-type", "application/json");
        answer.body(Body::from(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)).unwrap()
    };
    Server::start(Router::new().route("/mcp", any(answer))).await
}

struct Running {
    address: SocketAddr,
    token: String,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
    _parts: (IdentityProvider, Server, tempfile::TempDir),
}

impl Running {
    async fn start() -> Self {
        Self::start_with("", |proxy| proxy).await
    }

    /// With these limits in the file, and what a program sets besides.
    async fn start_with(limits: &str, set: impl FnOnce(Proxy) -> Proxy) -> Self {
        let (idp, backend) = (IdentityProvider::start().await, backend().await);
        let files = tempfile::tempdir().unwrap();
        common::write_key(files.path());
        let text = format!(
            r#"listen = "127.0.0.1:0"
public_url = "http://127.0.0.1:1"
[[issuers]]
issuer = "{0}"
audiences = ["api://bonafide"]
[vault]
store = "memory"
key = "file:vault.key"
[tenants.notes]
url = "{1}/mcp"
[tenants.keyed]
url = "{1}/mcp"
headers.Authorization = "Bearer ${{KEY}}"
variables.KEY.title = "Key"
[[policy.rules]]
id = "team"
groups = ["team"]
tenants = ["notes", "keyed"]
[limits]
{limits}
"#,
            idp.issuer(),
            backend.origin(),
        );
        let file = files.path().join("bonafide.toml");
        let config = Config::parse(&text, &file, &Environment::of_process()).unwrap();
        let (proxy, address) = common::proxy(config).await;
        let proxy = set(proxy);
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(proxy.serve(async move {
            let _ = stopped.await;
        }));
        let user = idp.user("alice").with_audience("api://bonafide").with_groups(["team"]);
        Self { address, token: user.token(), stop, serving, _parts: (idp, backend, files) }
    }

    /// Sends a request on a connection of its own, which the client would keep.
    async fn send(&self, method: &str, body: &str) -> TcpStream {
        self.request(&format!("{method} /notes/mcp HTTP/1.1\r\n"), body).await
    }

    async fn request(&self, head: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let (token, address, length) = (&self.token, self.address, body.len());
        let request = format!(
            "{head}host: {address}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\naccept: application/json, text/event-stream\r\n\
             content-length: {length}\r\n\r\n{body}",
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// Tells it to end, and how long that takes.
    async fn end(self) -> Duration {
        let started = Instant::now();
        self.stop.send(()).unwrap();
        timeout(Duration::from_secs(20), self.serving).await.unwrap().unwrap().unwrap();
        started.elapsed()
    }
}

/// Reads on until `text` has come.
async fn read_until(stream: &mut TcpStream, text: &str) {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(text) {
        let read = timeout(SOON, stream.read_buf(&mut seen)).await.unwrap().unwrap();
        assert!(read > 0, "it ended: {}", String::from_utf8_lossy(&seen));
    }
}

/// All that is left, up to the end of the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut rest = String::new();
    timeout(SOON, stream.read_to_string(&mut rest)).await.unwrap().unwrap();
    rest
}

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}"#;
const LISTEN: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{}}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn standing_streams_end_at_once_and_whole() {
    let proxy = Running::start().await;
    let mut streams = Vec::new();
    for (method, body) in [("GET", ""), ("POST", LISTEN)] {
        let mut stream = proxy.send(method, body).await;
        read_until(&mut stream, "\"method\":\"x\"").await;
        streams.push(stream);
    }
    let took = proxy.end().await;
    assert!(took < SOON, "{took:?}");
    for stream in streams {
        // The last chunk (RFC 9112, section 7.1), by which a client knows that nothing is missing.
        let rest = rest(stream).await;
        assert!(rest.ends_with("0\r\n\r\n"), "{rest:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_says_nothing_does_not_hold_up_the_end() {
    let proxy = Running::start().await;
    let silent = TcpStream::connect(proxy.address).await.unwrap();
    // Accepted after the silent one.
    read_until(&mut proxy.send("GET", "").await, "200 OK").await;
    let took = proxy.end().await;
    assert!(took < SOON, "{took:?}");
    assert_eq!(rest(silent).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_runs_is_answered() {
    let proxy = Running::start().await;
    let stream = proxy.send("POST", CALL).await;
    sleep(CALL_TIME / 4).await;
    let took = proxy.end().await;
    assert!(CALL_TIME / 2 < took && took < SOON, "{took:?}");
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"result\":{}"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_takes_longer_than_the_drain_time_is_broken_off() {
    let (of_file, of_program) = (Duration::from_secs(1), Duration::from_millis(200));
    for (proxy, drain) in [
        (Running::start_with("drain_time = \"1s\"", |proxy| proxy).await, of_file),
        // What the program sets holds.
        (
            Running::start_with("drain_time = \"24h\"", |it| it.with_drain_time(of_program)).await,
            of_program,
        ),
    ] {
        let stream = proxy.send("POST", &CALL.replace("\"x\"", "\"slow\"")).await;
        sleep(Duration::from_millis(500)).await;
        let took = proxy.end().await;
        assert!(drain <= took && took < CALL_TIME * 2 / 3, "{took:?}");
        assert_eq!(rest(stream).await, "");
    }
}

/// By HTTP/2, without TLS: as many requests as there are on one connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_many_requests_ends_with_the_last_of_them() {
    let proxy = Running::start().await;
    let stream = TokioIo::new(TcpStream::connect(proxy.address).await.unwrap());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut send = |method: &str, body: &'static str| {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}/notes/mcp", proxy.address))
            .header("authorization", format!("Bearer {}", proxy.token))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        sender.send_request(request.body(Full::<Bytes>::from(body)).unwrap())
    };
    let mut streams = [send("GET", "").await.unwrap(), send("POST", LISTEN).await.unwrap()];
    for stream in &mut streams {
        let event = timeout(SOON, stream.frame()).await.unwrap().unwrap().unwrap();
        assert!(event.into_data().unwrap().starts_with(b"data: "));
    }
    let call = tokio::spawn(send("POST", CALL));
    sleep(CALL_TIME / 4).await;
    let took = proxy.end().await;
    assert!(CALL_TIME / 2 < took && took < SOON, "{took:?}");
    for stream in streams {
        // Whole: END_STREAM, where one that is broken off has an error (RFC 9113, section 8.1).
        assert_eq!(stream.collect().await.unwrap().to_bytes(), "");
    }
    let answer = call.await.unwrap().unwrap().collect().await.unwrap().to_bytes();
    assert!(answer.ends_with(br#""result":{}}"#), "{answer:?}");
    timeout(SOON, connection).await.unwrap().unwrap().unwrap();
}

/// A call of revision 2026-07-28 to the tenant that needs a credential.
async fn call_keyed(proxy: &Running, headers: &str, more: &str) -> TcpStream {
    let head = format!(
        "POST /keyed/mcp HTTP/1.1\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\n\
         mcp-name: x\r\n{headers}"
    );
    let meta = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28",
        "io.modelcontextprotocol/clientCapabilities":{"elicitation":{"url":{}}}}"#;
    let params = format!(r#"{{"name":"x","arguments":{{}},"_meta":{meta}{more}}}"#);
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
    proxy.request(&head, &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_credential_asks_for_it_again() {
    let proxy = Running::start().await;
    let asked = rest(call_keyed(&proxy, "connection: close\r\n", "").await).await;
    let state = asked.split("\"requestState\":\"").nth(1).unwrap_or_else(|| panic!("{asked}"));
    let state = state.split('"').next().unwrap();
    let accepted = format!(
        r#","requestState":"{state}","inputResponses":{{"bonafide.credential":{{"action":"accept"}}}}"#
    );
    let mut held = call_keyed(&proxy, "", &accepted).await;
    read_until(&mut held, ": waiting").await;
    let took = proxy.end().await;
    assert!(took < SOON, "{took:?}");
    let rest = rest(held).await;
    assert!(rest.contains("input_required") && rest.ends_with("0\r\n\r\n"), "{rest}");
}
