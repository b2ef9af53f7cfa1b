//! What a client hears of a backend that can't be asked yet.

use bonafide_mcp::Limits;
use bonafide_testkit::{McpBackend, User};
use bonafide_tests::World;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::elicitation::{CAPABLE, messages};

async fn world() -> (McpBackend, World, User) {
    let backend = McpBackend::start().await;
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    let alice = world.user("alice", &["t"]);
    (backend, world, alice)
}

fn initialize(world: &World, user: &User, revision: &str) -> RequestBuilder {
    world.request(Method::POST, "t", user).json(&json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": revision, "capabilities": { "elicitation": {} },
            "clientInfo": { "name": "test", "version": "1" } } }))
}

fn session_of(response: &Response) -> String {
    response.headers()["mcp-session-id"].to_str().unwrap().to_owned()
}

async fn result(response: Response) -> Value {
    assert_eq!(response.status(), StatusCode::OK);
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or_else(|_| messages(&text).remove(0));
    body["result"].clone()
}

#[tokio::test]
async fn a_client_connects_and_its_user_reads_where_to_enter_the_key() {
    let (_backend, world, alice) = world().await;
    let (link, bob) = (world.url("/connections/t"), world.user("bob", &["t"]));
    let began = initialize(&world, &alice, "2025-06-18").send().await.unwrap();
    let session = session_of(&began);
    let said = result(began).await;
    assert_eq!(said["protocolVersion"], "2025-06-18");
    assert_eq!(said["capabilities"], json!({ "tools": {} }));
    assert!(said["instructions"].as_str().unwrap().contains(&link), "{said}");

    let send = |user: &User, message: Value| {
        let request = world.request(Method::POST, "t", user).header("mcp-session-id", &session);
        request.json(&message).send()
    };
    let notified = send(&alice, json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    assert_eq!(notified.await.unwrap().status(), StatusCode::ACCEPTED);
    let ask = |method: &str, params: Value| {
        send(&alice, json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }))
    };
    let listed = result(ask("tools/list", json!({})).await.unwrap()).await;
    assert_eq!(listed["tools"].as_array().unwrap().len(), 1);
    let tool = &listed["tools"][0];
    assert_eq!(tool["name"], "connect_t");
    assert!(tool["description"].as_str().unwrap().contains(&link), "{tool}");
    for name in ["connect_t", "whoami", "delete_all"] {
        let called = ask("tools/call", json!({ "name": name })).await.unwrap();
        let called = result(called).await;
        assert_eq!(called["isError"], true, "{name}");
        assert!(called["content"][0]["text"].as_str().unwrap().contains(&link), "{called}");
    }
    assert_eq!(result(ask("ping", json!({})).await.unwrap()).await, json!({}));
    for method in [Method::GET, Method::DELETE] {
        let request = world.request(method.clone(), "t", &alice);
        let response = request.header("mcp-session-id", &session).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
    let list = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" });
    assert_eq!(send(&bob, list.clone()).await.unwrap().status(), StatusCode::NOT_FOUND);

    // It ends when the key is there, and the client begins one with the backend.
    world.store(&alice, "t", "key").await;
    assert_eq!(send(&alice, list).await.unwrap().status(), StatusCode::NOT_FOUND);
    let began = initialize(&world, &alice, "2025-06-18").send().await.unwrap();
    let session = session_of(&began);
    assert_eq!(result(began).await.get("instructions"), None);
    let list = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" });
    let request = world.request(Method::POST, "t", &alice).header("mcp-session-id", session);
    let listed = result(request.json(&list).send().await.unwrap()).await;
    assert!(listed["tools"].to_string().contains("whoami"), "{listed}");
}

#[tokio::test]
async fn a_revision_that_is_not_known_gets_the_latest() {
    let (_backend, world, alice) = world().await;
    for revision in ["2024-01-01", "canary"] {
        let began = initialize(&world, &alice, revision).send().await.unwrap();
        assert_eq!(result(began).await["protocolVersion"], "2025-11-25", "{revision}");
    }
}

#[tokio::test]
async fn nobody_keeps_what_is_said_in_the_revision_without_sessions() {
    let (_backend, world, alice) = world().await;
    let ask = |method: &str| {
        let capabilities: Value = serde_json::from_str(CAPABLE).unwrap();
        let params = json!({ "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": capabilities } });
        let request = world.request(Method::POST, "t", &alice);
        let request = request.header("mcp-protocol-version", "2026-07-28");
        let request = request.header("mcp-method", method);
        request
            .json(&json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }))
            .send()
    };
    for (method, shown) in [("server/discover", "capabilities"), ("tools/list", "tools")] {
        let response = ask(method).await.unwrap();
        assert!(!response.headers().contains_key("mcp-session-id"), "{method}");
        let said = result(response).await;
        assert!(said.get(shown).is_some(), "{said}");
        assert!(said.to_string().contains(&world.url("/connections/t")), "{said}");
        assert_eq!((&said["ttlMs"], &said["cacheScope"]), (&0.into(), &"private".into()), "{said}");
        assert_eq!(said["resultType"], "complete", "{said}");
    }
    // What needs the backend can't be made up.
    let response = ask("prompts/list").await.unwrap();
    assert_eq!(response.json::<Value>().await.unwrap()["error"]["code"], 424);
}

/// An id that a backend must not have can't be taken for one of ours.
#[tokio::test]
async fn a_backends_empty_session_id_is_none() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nmcp-session-id: \r\n\
                  content-length: 36\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}";
    let backend = bonafide_tests::RawBackend::start(answer, true).await;
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", "key").await;
    let began = initialize(&world, &alice, "2025-06-18").send().await.unwrap();
    assert!(!began.headers().contains_key("mcp-session-id"));
}
