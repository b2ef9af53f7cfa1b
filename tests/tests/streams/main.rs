//! Event streams: each event when it comes, and an end on one side that is an end on the other.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use bonafide_mcp::{Directory, Limits};
use bonafide_testkit::Server;
use bonafide_tests::{RawBackend, World};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(5);

/// A backend whose events a test sends one by one, on GET and POST.
struct Events {
    server: Server,
    send: mpsc::Sender<Bytes>,
    headers: Arc<Mutex<HeaderMap>>,
}

impl Events {
    async fn start() -> Self {
        let (send, receive) = mpsc::channel::<Bytes>(1);
        let receive = Arc::new(Mutex::new(Some(receive)));
        let headers = Arc::new(Mutex::new(HeaderMap::new()));
        let seen = Arc::clone(&headers);
        let handler = move |headers: HeaderMap| {
            let (receive, seen) = (Arc::clone(&receive), Arc::clone(&seen));
            async move {
                *seen.lock().await = headers;
                let receive = receive.lock().await.take().unwrap();
                Response::builder()
                    .header("content-type", "text/event-stream")
                    .header("x-accel-buffering", "no")
                    .body(Body::new(Channel(receive)))
                    .unwrap()
            }
        };
        let router = Router::new().route("/mcp", get(handler.clone()).post(handler));
        Self { server: Server::start(router).await, send, headers }
    }

    fn url(&self) -> String {
        format!("{}/mcp", self.server.origin())
    }
}

/// A body that is what a channel brings.
struct Channel(mpsc::Receiver<Bytes>);

impl http_body::Body for Channel {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(http_body::Frame::data(bytes))))
    }
}

async fn world(url: String) -> (World, bonafide_testkit::User) {
    // Short limits: none of them may cut an event stream off.
    let limits = Limits::default().with_pause_time(Duration::from_millis(200));
    let world = World::start(&[("t", url)], limits).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", "key").await;
    (world, alice)
}

#[tokio::test]
async fn each_event_arrives_before_the_next_is_sent() {
    for method in [Method::GET, Method::POST] {
        let events = Events::start().await;
        let (world, alice) = world(events.url()).await;
        let request = match method {
            Method::POST => world.call("t", &alice, "whoami"),
            _ => world.request(Method::GET, "t", &alice),
        };
        let mut response = request.header("last-event-id", "41").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        for number in 1..=3 {
            let event = format!("id: {number}\nretry: 10\ndata: {{}}\n\n");
            events.send.send(event.clone().into()).await.unwrap();
            let chunk = timeout(SOON, response.chunk()).await.unwrap().unwrap().unwrap();
            assert_eq!(chunk, event.as_bytes(), "{method}");
            // Longer than a JSON answer may pause.
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        assert_eq!(events.headers.lock().await["last-event-id"], "41");
        drop(events.send);
        assert!(timeout(SOON, response.chunk()).await.unwrap().unwrap().is_none(), "{method}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_ends_it_at_the_backend() {
    let events = Events::start().await;
    let (world, alice) = world(events.url()).await;
    let mut response = world.request(Method::GET, "t", &alice).send().await.unwrap();
    events.send.send("data: 1\n\n".into()).await.unwrap();
    timeout(SOON, response.chunk()).await.unwrap().unwrap().unwrap();
    drop(response);
    timeout(SOON, events.send.closed()).await.expect("the backend goes on sending to nobody");
}

/// Streamable HTTP of revision 2026-07-28, "cancellation": there is no other way to say it.
#[tokio::test]
async fn a_client_that_leaves_the_stream_of_a_call_cancels_it_at_the_backend() {
    let events = Events::start().await;
    let (world, alice) = world(events.url()).await;
    let message = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {
        "name": "whoami", "arguments": {}, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {} } } });
    let request = world.request(Method::POST, "t", &alice).json(&message);
    let request = request.header("mcp-protocol-version", "2026-07-28");
    let request = request.header("mcp-method", "tools/call").header("mcp-name", "whoami");
    let mut response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    events.send.send("data: {}\n\n".into()).await.unwrap();
    timeout(SOON, response.chunk()).await.unwrap().unwrap().unwrap();
    assert!(!events.send.is_closed());
    drop(response);
    timeout(SOON, events.send.closed()).await.expect("the backend goes on working for nobody");
}

/// The requests whose answers stand until somebody ends them, and a call, which ends by itself.
fn streams(world: &World, user: &bonafide_testkit::User) -> [(reqwest::RequestBuilder, bool); 3] {
    let listen = json!({ "jsonrpc": "2.0", "id": 7, "method": "subscriptions/listen", "params": {
        "notifications": { "toolsListChanged": true } } });
    [
        (world.request(Method::GET, "t", user), true),
        (world.request(Method::POST, "t", user).json(&listen), true),
        (world.call("t", user, "whoami"), false),
    ]
}

async fn ends(response: &mut reqwest::Response, within: Duration) -> bool {
    timeout(within, response.chunk()).await.is_ok_and(|chunk| chunk.unwrap().is_none())
}

#[tokio::test]
async fn a_standing_stream_ends_with_the_token_and_a_call_does_not() {
    for index in 0..3 {
        let events = Events::start().await;
        let (world, alice) = world(events.url()).await;
        // Clocks may differ by a minute: three seconds are left.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let alice = alice.with_claim("exp", (now - 57).into());
        let [get, listen, call] = streams(&world, &alice);
        let (request, standing) = [get, listen, call].into_iter().nth(index).unwrap();
        let mut response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        events.send.send("data: {}\n\n".into()).await.unwrap();
        assert!(timeout(SOON, response.chunk()).await.unwrap().unwrap().is_some());
        assert_eq!(ends(&mut response, SOON).await, standing, "{index}");
        if standing {
            timeout(SOON, events.send.closed()).await.expect("the backend goes on");
        }
    }
}

#[tokio::test]
async fn a_standing_stream_ends_with_the_policy_and_a_call_does_not() {
    for index in 0..3 {
        let events = Events::start().await;
        let (world, alice) = world(events.url()).await;
        let [get, listen, call] = streams(&world, &alice);
        let (request, standing) = [get, listen, call].into_iter().nth(index).unwrap();
        let mut response = request.send().await.unwrap();
        events.send.send("data: {}\n\n".into()).await.unwrap();
        assert!(timeout(SOON, response.chunk()).await.unwrap().unwrap().is_some());
        // Nothing is new in this one.
        let same = world.directory.load();
        let tenants = same.tenants().cloned();
        world.directory.replace(Directory::new(tenants, same.policy().clone()));
        assert!(!ends(&mut response, Duration::from_millis(200)).await, "{index}");
        world.directory.replace(Directory::default());
        assert_eq!(ends(&mut response, Duration::from_secs(1)).await, standing, "{index}");
    }
}

#[tokio::test]
async fn a_standing_stream_ends_with_the_gateway_and_a_call_does_not() {
    for (index, before) in [(0, false), (1, false), (2, false), (0, true), (1, true), (2, true)] {
        let events = Events::start().await;
        let (world, alice) = world(events.url()).await;
        if before {
            world.gateway.drain();
        }
        let [get, listen, call] = streams(&world, &alice);
        let (request, standing) = [get, listen, call].into_iter().nth(index).unwrap();
        let mut response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        if !before {
            events.send.send("data: {}\n\n".into()).await.unwrap();
            assert!(timeout(SOON, response.chunk()).await.unwrap().unwrap().is_some());
            world.gateway.drain();
        }
        assert_eq!(ends(&mut response, Duration::from_secs(1)).await, standing, "{index}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_while_waiting_ends_the_call_at_the_backend() {
    let backend = RawBackend::start("", false).await;
    let (world, alice) = world(backend.url()).await;
    let waiting = tokio::spawn(world.call("t", &alice, "whoami").send());
    while backend.seen().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    waiting.abort();
    timeout(SOON, backend.closed()).await.expect("the backend goes on working for nobody");
}

#[tokio::test]
async fn a_long_json_answer_is_passed_on_and_not_held_back() {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 200002\r\n\r\n\"";
    let start: &'static str = Box::leak(format!("{head}{}", "x".repeat(100_000)).into_boxed_str());
    let backend = RawBackend::start(start, false).await;
    let (world, alice) = world(backend.url()).await;
    // Of an answer from which nothing is to be hidden.
    world.open("t");
    let mut response = world.call("t", &alice, "whoami").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut read = 0;
    let end = loop {
        match timeout(SOON, response.chunk()).await.expect("it hangs") {
            Ok(Some(chunk)) => read += chunk.len(),
            end => break end,
        }
    };
    // What was there came through; then the backend paused for too long, and the client is told so by a broken body.
    assert_eq!(read, 100_001);
    assert!(end.is_err());
}

#[tokio::test]
async fn delete_reaches_the_backend() {
    let backend = RawBackend::start("HTTP/1.1 204 No Content\r\n\r\n", true).await;
    let (world, alice) = world(backend.url()).await;
    let response = world.request(Method::DELETE, "t", &alice).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert!(backend.seen().starts_with("DELETE /mcp HTTP/1.1"), "{}", backend.seen());
}
