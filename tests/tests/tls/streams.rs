//! Event streams, and clients that leave.

use std::time::Duration;

use bonafide_mcp::Limits;
use bonafide_testkit::User;
use bonafide_tests::World;
use http::Version;
use reqwest::{Method, Response, StatusCode};
use tokio::time::{sleep, timeout};

use crate::authority::trusted;
use crate::backend::{Backend, NAME};

const SOON: Duration = Duration::from_secs(5);

const CASES: [(&str, Version, Method); 4] = [
    ("http/1.1", Version::HTTP_11, Method::GET),
    ("http/1.1", Version::HTTP_11, Method::POST),
    ("h2", Version::HTTP_2, Method::GET),
    ("h2", Version::HTTP_2, Method::POST),
];

async fn world(protocol: &str) -> (Backend, World, User) {
    let backend = Backend::start(trusted().server(NAME), &[protocol]).await;
    // A short limit, which must not cut an event stream off.
    let limits = Limits::default().with_pause_time(Duration::from_millis(200));
    let world = World::start(&[("t", backend.url())], limits).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", "key").await;
    (backend, world, alice)
}

async fn stream(world: &World, user: &User, method: &Method) -> Response {
    let request = match *method {
        Method::POST => world.call("t", user, "events"),
        _ => world.request(Method::GET, "t", user),
    };
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response
}

pub(crate) async fn one_by_one() {
    for (protocol, version, method) in CASES {
        let (backend, world, alice) = world(protocol).await;
        let mut response = stream(&world, &alice, &method).await;
        assert_eq!(backend.seen()[0].version, version);
        for number in 1..=3 {
            let event = format!("id: {number}\ndata: {{}}\n\n");
            backend.events.send(event.clone().into()).await.unwrap();
            let chunk = timeout(SOON, response.chunk()).await.unwrap().unwrap().unwrap();
            assert_eq!(chunk, event.as_bytes(), "{protocol} {method}");
            sleep(Duration::from_millis(300)).await;
        }
    }
}

pub(crate) async fn left() {
    for (protocol, version, method) in CASES {
        let (backend, world, alice) = world(protocol).await;
        let mut response = stream(&world, &alice, &method).await;
        backend.events.send("data: {}\n\n".into()).await.unwrap();
        timeout(SOON, response.chunk()).await.unwrap().unwrap().unwrap();
        assert!(!backend.events.is_closed());
        drop(response);
        let closed = timeout(SOON, backend.events.closed()).await;
        assert!(closed.is_ok(), "{protocol} {method}: it goes on sending to nobody");
        goes_on(&backend, &world, &alice, version).await;
    }
}

pub(crate) async fn left_waiting() {
    for (protocol, version) in [("http/1.1", Version::HTTP_11), ("h2", Version::HTTP_2)] {
        let (backend, world, alice) = world(protocol).await;
        let waiting = tokio::spawn(world.call("t", &alice, "wait").send());
        let arrived = async {
            while backend.seen().is_empty() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(SOON, arrived).await.unwrap();
        assert!(!backend.events.is_closed());
        waiting.abort();
        let closed = timeout(SOON, backend.events.closed()).await;
        assert!(closed.is_ok(), "{protocol}: it goes on working for nobody");
        goes_on(&backend, &world, &alice, version).await;
    }
}

/// Whoever shares the connection with somebody that has left is not cut off.
async fn goes_on(backend: &Backend, world: &World, user: &User, version: Version) {
    let response = world.call("t", user, "whoami").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    // A stream of HTTP/1.1 can only be ended with its connection.
    let connections = if version == Version::HTTP_2 { 1 } else { 2 };
    assert_eq!(backend.connections(), connections, "{version:?}");
}
