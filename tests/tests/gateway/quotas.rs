//! How much one user may ask, and what is passed on about a request.

use std::num::NonZeroU32;

use bonafide_mcp::{Limits, Quotas};
use bonafide_tests::{RawBackend, World};
use reqwest::{Method, StatusCode};
use serde_json::Value;

const ACCEPTED: &str = "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: hi\n\n";

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

#[tokio::test]
async fn one_request_too_many_is_429_for_that_user_only() {
    let backend = RawBackend::start(ACCEPTED, true).await;
    let quotas = Quotas::default().with_per_minute(number(6)).with_burst(number(2));
    let tenants = [("t", backend.url())];
    let world = World::start_with_quotas(&tenants, Limits::default(), quotas).await;
    let (alice, bob) = (world.user("alice", &["t"]), world.user("bob", &["t"]));
    for user in [&alice, &bob] {
        world.store(user, "t", "key").await;
    }
    for _ in 0..2 {
        let response = world.call("t", &alice, "whoami").send().await.unwrap();
        assert_ne!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    }
    let before = backend.seen().len();
    let response = world.call("t", &alice, "whoami").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    let body: Value = response.json().await.unwrap();
    // The body was not read, so its id is not known.
    assert_eq!((&body["id"], &body["error"]["code"]), (&Value::Null, &429.into()));
    assert_eq!(backend.seen().len(), before);
    let response = world.call("t", &bob, "whoami").send().await.unwrap();
    assert_ne!(response.status(), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn what_is_refused_counts_and_a_body_too_many_is_not_read() {
    let backend = RawBackend::start(ACCEPTED, true).await;
    let quotas = Quotas::default().with_per_minute(number(6)).with_burst(number(2));
    let tenants = [("t", backend.url())];
    let world = World::start_with_quotas(&tenants, Limits::default(), quotas).await;
    let carol = world.user("carol", &[]);
    for _ in 0..2 {
        let response = world.call("t", &carol, "whoami").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
    }
    let nonsense = world.request(Method::POST, "t", &carol).body("not JSON");
    assert_eq!(nonsense.send().await.unwrap().status(), StatusCode::TOO_MANY_REQUESTS);
    // What is no message counts for those who may be here, too.
    let alice = world.user("alice", &["t"]);
    for status in [400, 400, 429] {
        let broken = world.request(Method::POST, "t", &alice).json(&Value::Null);
        assert_eq!(broken.send().await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn a_stream_counts_until_it_ends() {
    let backend = RawBackend::start(EVENTS, false).await;
    let quotas = Quotas::default().with_open(number(1));
    let tenants = [("t", backend.url())];
    let world = World::start_with_quotas(&tenants, Limits::default(), quotas).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", "key").await;
    let stream = world.request(Method::GET, "t", &alice).send().await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    let other = world.request(Method::GET, "t", &alice).send().await.unwrap();
    assert_eq!(other.status(), StatusCode::TOO_MANY_REQUESTS);
    drop(stream);
    backend.closed().await;
    let other = world.request(Method::GET, "t", &alice).send().await.unwrap();
    assert_eq!(other.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_trace_goes_on_and_its_request_has_a_name() {
    let backend = RawBackend::start(ACCEPTED, true).await;
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", "key").await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = world.call("t", &alice, "whoami").header("x-request-id", "r-1");
    let request = request.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "r-1");
    let seen = backend.seen();
    assert!(
        seen.contains("x-request-id: r-1") && seen.contains(&format!("traceparent: 00-{trace}-")),
        "{seen}"
    );
    assert!(!seen.contains("00f067aa0ba902b7"), "{seen}");
}
