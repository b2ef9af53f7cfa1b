//! Whose credential goes where.

use bonafide_mcp::Limits;
use bonafide_testkit::McpBackend;
use bonafide_tests::{RawBackend, World, call};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const ACCEPTED: &str = "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn each_user_is_sent_with_their_own_key_and_no_other() {
    let backend = RawBackend::start(ACCEPTED, true).await;
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    let (alice, bob) = (world.user("alice", &["t"]), world.user("bob", &["t"]));
    world.store(&alice, "t", "alices-key").await;
    world.store(&bob, "t", "bobs-key").await;
    world.call("t", &bob, "whoami").send().await.unwrap();
    let seen = backend.seen();
    assert!(seen.contains("authorization: Bearer bobs-key") && seen.contains("x-user-id: bob"));
    assert!(!seen.contains("alice"), "{seen}");
}

#[tokio::test]
async fn a_key_for_one_tenant_is_not_sent_to_another() {
    let (one, other) =
        (RawBackend::start(ACCEPTED, true).await, RawBackend::start(ACCEPTED, true).await);
    let tenants = [("one", one.url()), ("other", other.url())];
    let world = World::start(&tenants, Limits::default()).await;
    let alice = world.user("alice", &["one", "other"]);
    world.store(&alice, "one", "alices-key").await;
    let response = world.call("other", &alice, "whoami").send().await.unwrap();
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["result"]["isError"], true);
    assert_eq!(other.seen(), "");
}

#[tokio::test]
async fn nothing_that_a_client_says_of_itself_reaches_the_backend() {
    let backend = RawBackend::start(ACCEPTED, true).await;
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", "alices-key").await;
    let mut request = world.call("t", &alice, "whoami");
    for name in [
        "x-user-id",
        "x_user_id",
        "mcp_session_id",
        "mcp_name",
        "transfer_encoding",
        "x-original-url",
        "x-http-method-override",
        "X-USER-ID",
        "x-user-email",
        "x-openwebui-user-id",
        "x-entra-oid",
        "x-forwarded-user",
        "x-forwarded-for",
        "forwarded",
        "remote-user",
        "cookie",
        "proxy-authorization",
        "x-hop",
    ] {
        request = request.header(name, "forged");
    }
    let request = request.header("connection", "x-hop");
    request.send().await.unwrap();
    let seen = backend.seen().to_ascii_lowercase();
    assert!(!seen.contains("forged"), "{seen}");
    assert!(!seen.contains(&alice.token().to_ascii_lowercase()), "{seen}");
    assert_eq!(seen.matches("x-user-id: alice").count(), 1, "{seen}");
    assert_eq!(seen.matches("authorization:").count(), 1, "{seen}");
}

#[tokio::test]
async fn a_missing_key_is_asked_for_in_words_that_fit_the_request() {
    let backend = McpBackend::start().await;
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    let alice = world.user("alice", &["t"]);
    let link = world.url("/connections/t");
    let ask = |body: Value| world.request(Method::POST, "t", &alice).json(&body);
    let answer = |request: reqwest::RequestBuilder| async move {
        let response = request.send().await.unwrap();
        (response.status(), response.json::<Value>().await.unwrap())
    };

    let (status, body) = answer(ask(call("whoami"))).await;
    assert_eq!((status, &body["id"]), (StatusCode::OK, &7.into()));
    assert_eq!(body["result"]["isError"], true);
    assert!(body["result"].get("resultType").is_none());
    assert!(body["result"]["content"][0]["text"].as_str().unwrap().contains(&link));

    let mut modern = call("whoami");
    modern["params"]["_meta"] = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28" });
    let modern = ask(modern).header("mcp-protocol-version", "2026-07-28");
    let modern = modern.header("mcp-method", "tools/call").header("mcp-name", "whoami");
    let (_, body) = answer(modern).await;
    assert_eq!(body["result"]["resultType"], "complete");

    let (status, body) =
        answer(ask(json!({ "jsonrpc": "2.0", "id": 1, "method": "prompts/list" }))).await;
    assert_eq!((status, &body["error"]["code"]), (StatusCode::OK, &424.into()));
    assert!(body["error"]["message"].as_str().unwrap().contains(&link));

    let (status, body) = answer(world.request(Method::GET, "t", &alice)).await;
    assert_eq!((status, &body["error"]["code"]), (StatusCode::FORBIDDEN, &424.into()));
}
