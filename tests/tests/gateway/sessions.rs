//! Sessions belong to the user who began them.

use bonafide_mcp::Limits;
use bonafide_testkit::{McpBackend, User};
use bonafide_tests::{RawBackend, World};
use bonafide_vault::MasterKey;
use reqwest::{Method, StatusCode};
use serde_json::json;

async fn initialize(world: &World, tenant: &str, user: &User) -> String {
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" } } });
    let response = world.request(Method::POST, tenant, user).json(&message).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.headers()["mcp-session-id"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_session_of_one_user_is_unknown_for_another_and_at_another_tenant() {
    let (one, other) = (McpBackend::start().await, McpBackend::start().await);
    let tenants = [("one", one.url()), ("other", other.url())];
    let world = World::start(&tenants, Limits::default()).await;
    let (alice, bob) = (world.user("alice", &["one", "other"]), world.user("bob", &["one"]));
    for (user, tenant) in [(&alice, "one"), (&alice, "other"), (&bob, "one")] {
        world.store(user, tenant, "key").await;
    }
    let session = initialize(&world, "one", &alice).await;
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
    let status = |method: Method, tenant: &'static str, user: &User| {
        let request = world
            .request(method.clone(), tenant, user)
            .header("mcp-session-id", &session)
            .header("mcp-protocol-version", "2025-11-25");
        let request = if method == Method::POST { request.json(&list) } else { request };
        async move { request.send().await.unwrap().status() }
    };
    for method in [Method::POST, Method::GET, Method::DELETE] {
        assert_eq!(status(method.clone(), "one", &bob).await, StatusCode::NOT_FOUND, "{method}");
        assert_eq!(
            status(method.clone(), "other", &alice).await,
            StatusCode::NOT_FOUND,
            "{method}"
        );
    }
    // Bob's DELETE did not end it, and its owner can.
    assert_eq!(status(Method::POST, "one", &alice).await, StatusCode::OK);
    assert!(status(Method::DELETE, "one", &alice).await.is_success());
    assert_eq!(status(Method::POST, "one", &alice).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_session_stands_for_nobody_who_has_no_valid_token() {
    let backend = McpBackend::start().await;
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", "key").await;
    let session = initialize(&world, "t", &alice).await;
    let status = async |method: &Method, token: Option<&str>| {
        let request = world
            .anonymous(method.clone(), "/t/mcp")
            .header("mcp-session-id", &session)
            .header("mcp-protocol-version", "2025-11-25");
        let request = match *method {
            Method::POST => {
                request.json(&json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" }))
            }
            _ => request,
        };
        let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
        request.send().await.unwrap().status()
    };
    let ended = alice.clone().with_claim("exp", 1_000_000.into()).token();
    for method in [Method::POST, Method::GET, Method::DELETE] {
        for token in [None, Some("nonsense"), Some(&*ended)] {
            let status = status(&method, token).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {token:?}");
        }
    }
    // None of them ended it.
    assert_eq!(status(&Method::POST, Some(&alice.token())).await, StatusCode::OK);
}

#[tokio::test]
async fn a_session_goes_on_at_a_gateway_with_the_same_master_key_and_at_no_other() {
    let backend = McpBackend::start().await;
    let (key, other) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
    let tenants = [("t", backend.url())];
    let mut worlds = Vec::new();
    for key in [&key, &key, &other] {
        let world = World::start_with_key(&tenants, key).await;
        world.store(&world.user("alice", &["t"]), "t", "key").await;
        worlds.push(world);
    }
    let session = initialize(&worlds[0], "t", &worlds[0].user("alice", &["t"])).await;
    let status = async |world: &World, name: &str| {
        let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
        let request = world.request(Method::POST, "t", &world.user(name, &["t"])).json(&list);
        request.header("mcp-session-id", &session).send().await.unwrap().status()
    };
    assert_eq!(status(&worlds[1], "alice").await, StatusCode::OK);
    assert_eq!(status(&worlds[1], "bob").await, StatusCode::NOT_FOUND);
    assert_eq!(status(&worlds[2], "alice").await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_backends_own_session_id_is_not_accepted() {
    let backend = McpBackend::start().await;
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", "key").await;
    let session = initialize(&world, "t", &alice).await;
    let bare = session.splitn(3, '.').nth(2).unwrap();
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
    let request =
        world.request(Method::POST, "t", &alice).json(&list).header("mcp-session-id", bare);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::NOT_FOUND);
}

/// Revision 2026-07-28 has no sessions: a header of an older one is ignored, and goes no further.
#[tokio::test]
async fn a_session_id_in_a_revision_without_sessions_is_ignored() {
    let backend =
        RawBackend::start("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n", true).await;
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", "key").await;
    let message = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1,
        "_meta": { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } } });
    let request = world.request(Method::POST, "t", &alice).json(&message);
    let request = request.header("mcp-protocol-version", "2026-07-28");
    let request = request.header("mcp-method", "notifications/cancelled");
    let response = request.header("mcp-session-id", "of-long-ago").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let seen = backend.seen();
    assert!(seen.contains("notifications/cancelled") && !seen.contains("of-long-ago"), "{seen}");
}
