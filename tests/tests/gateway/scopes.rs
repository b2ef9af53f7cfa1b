//! Scopes that a token needs at a tenant, and how a client gets to know.

use bonafide_mcp::{Limits, TenantScopes};
use bonafide_testkit::User;
use bonafide_tests::{CANARY, RawBackend, World, call, capture_log};
use bonafide_tower::{RequiredScopes, ScopeHierarchy};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 36\r\n\r\n\
    {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}";

fn required(scopes: &[&str]) -> RequiredScopes {
    RequiredScopes::new(scopes.iter().copied()).unwrap()
}

/// `mcp:use` for everything, `notes:write` for the tool `who*`, others for a prompt and for resources.
fn scopes() -> TenantScopes {
    let more = [
        ("who*", "notes:write"),
        ("delete_*", "notes:admin"),
        ("prompts/plan", "notes:plan"),
        ("resources/file:///etc/*", "notes:files"),
    ];
    let basic = TenantScopes::new(required(&["mcp:use"]));
    more.into_iter().fold(basic, |scopes, (pattern, scope)| {
        scopes.with_tools(pattern.parse().unwrap(), required(&[scope]))
    })
}

async fn raw() -> (RawBackend, World) {
    let backend = RawBackend::start(ANSWER, true).await;
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    world.ask_for_scopes(&scopes());
    (backend, world)
}

async fn alice(world: &World, scopes: &[&str]) -> User {
    let alice = world.user("alice", &["t"]).with_scopes(scopes.iter().copied());
    world.store(&alice, "t", "key").await;
    alice
}

fn message(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })
}

/// The status, the scopes of an `insufficient_scope` challenge, and the body.
async fn answer(request: RequestBuilder) -> (StatusCode, Option<String>, Value) {
    let response = request.send().await.unwrap();
    let challenge = response.headers().get("www-authenticate").map(|value| {
        let value = value.to_str().unwrap();
        assert!(value.starts_with("Bearer error=\"insufficient_scope\""), "{value}");
        let metadata = "/.well-known/oauth-protected-resource/t/mcp\"";
        assert!(
            value.contains("resource_metadata=\"http://") && value.contains(metadata),
            "{value}"
        );
        let (_, scope) = value.split_once(" scope=\"").unwrap();
        scope.strip_suffix('"').unwrap().to_owned()
    });
    let status = response.status();
    (status, challenge, response.json().await.unwrap_or_default())
}

#[tokio::test]
async fn a_token_that_lacks_scopes_is_told_all_that_its_request_needs() {
    let (backend, world) = raw().await;
    let requests = [
        ("initialize", json!({}), "mcp:use"),
        ("tools/list", json!({}), "mcp:use"),
        ("tools/call", json!({ "name": "other" }), "mcp:use"),
        ("tools/call", json!({ "name": "whoami" }), "mcp:use notes:write"),
        ("prompts/get", json!({ "name": "plan" }), "mcp:use notes:plan"),
        ("resources/read", json!({ "uri": "file:///etc/x" }), "mcp:use notes:files"),
        ("resources/subscribe", json!({ "uri": "file:///etc/x" }), "mcp:use notes:files"),
    ];
    for (method, params, needed) in requests {
        // The list does not depend on what the token has: it is of what is asked.
        let almost = needed.split(' ').skip(1).collect::<Vec<_>>();
        for held in [&[][..], &["notes:read"], &almost] {
            let alice = alice(&world, held).await;
            let request = world.request(Method::POST, "t", &alice);
            let request = request.json(&message(method, params.clone()));
            let (status, scope, body) = answer(request).await;
            assert_eq!(
                (status, scope.as_deref()),
                (StatusCode::FORBIDDEN, Some(needed)),
                "{method}"
            );
            assert_eq!((&body["id"], &body["error"]["code"]), (&7.into(), &403.into()), "{body}");
            assert!(body["error"]["message"].as_str().unwrap().contains(needed), "{body}");
        }
    }
    assert_eq!(backend.seen(), "");
}

#[tokio::test]
async fn streams_and_the_end_of_a_session_need_the_basic_scopes() {
    let (backend, world) = raw().await;
    for method in [Method::GET, Method::DELETE] {
        let without = alice(&world, &["notes:write"]).await;
        let request = world.request(method.clone(), "t", &without);
        let (status, scope, body) = answer(request).await;
        assert_eq!((status, scope.as_deref()), (StatusCode::FORBIDDEN, Some("mcp:use")));
        assert_eq!(body["error"]["code"], 403, "{method}");
        assert_eq!(backend.seen(), "");
    }
    for method in [Method::GET, Method::DELETE] {
        let with = alice(&world, &["mcp:use"]).await;
        let (status, _, _) = answer(world.request(method, "t", &with)).await;
        assert_eq!(status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_client_that_steps_up_gets_through() {
    let (backend, world) = raw().await;
    let before = alice(&world, &["mcp:use"]).await;
    let (status, scope, _) = answer(world.call("t", &before, "whoami")).await;
    assert_eq!((status, backend.seen()), (StatusCode::FORBIDDEN, String::new()));
    let scope = scope.unwrap();
    let after = alice(&world, &scope.split(' ').collect::<Vec<_>>()).await;
    let (status, scope, _) = answer(world.call("t", &after, "whoami")).await;
    assert_eq!((status, scope), (StatusCode::OK, None));
    assert!(backend.seen().contains("whoami"));
}

#[tokio::test]
async fn the_challenge_of_a_401_and_the_metadata_name_the_basic_scopes_and_no_more() {
    let (_backend, world) = raw().await;
    let response = world.anonymous(Method::POST, "/t/mcp").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.ends_with(", scope=\"mcp:use\""), "{challenge}");
    assert!(!challenge.contains("error"), "{challenge}");
    let path = "/.well-known/oauth-protected-resource/t/mcp";
    let document = world.anonymous(Method::GET, path).send().await.unwrap();
    let document: Value = document.json().await.unwrap();
    assert_eq!(document["scopes_supported"], json!(["mcp:use"]));
}

#[tokio::test]
async fn a_scope_that_implies_others_suffices() {
    let (_backend, world) = raw().await;
    let hierarchy = [("notes:all", vec!["notes:write", "mcp:use"]), ("root", vec!["notes:all"])];
    world.ask_for_scopes(&scopes().with_hierarchy(ScopeHierarchy::new(hierarchy).unwrap()));
    for (held, expected) in [
        (&["notes:all"][..], StatusCode::OK),
        (&["root"], StatusCode::OK),
        (&["mcp:use", "notes:write"], StatusCode::OK),
        (&["notes:write"], StatusCode::FORBIDDEN),
        (&["mcp:use", "notes:plan"], StatusCode::FORBIDDEN),
    ] {
        let alice = alice(&world, held).await;
        assert_eq!(answer(world.call("t", &alice, "whoami")).await.0, expected, "{held:?}");
    }
}

#[tokio::test]
async fn scopes_are_read_from_either_claim() {
    let (_backend, world) = raw().await;
    for (claim, value) in [
        ("scope", json!("notes:write mcp:use")),
        ("scp", json!("mcp:use notes:write")),
        ("scp", json!(["mcp:use", "notes:write"])),
    ] {
        let alice = alice(&world, &[]).await.without_claim("scope").with_claim(claim, value);
        let (status, _, body) = answer(world.call("t", &alice, "whoami")).await;
        assert_eq!(status, StatusCode::OK, "{claim} {body}");
    }
}

#[tokio::test]
async fn who_is_denied_by_the_policy_is_not_sent_for_scopes() {
    let (backend, world) = raw().await;
    let carol = world.user("carol", &[]);
    for request in [world.call("t", &carol, "whoami"), world.request(Method::GET, "t", &carol)] {
        let (status, scope, _) = answer(request).await;
        assert_eq!((status, scope), (StatusCode::FORBIDDEN, None));
    }
    assert_eq!(backend.seen(), "");
}

#[tokio::test]
async fn a_hidden_tool_stays_hidden_whatever_scopes_it_would_need() {
    let (backend, world) = raw().await;
    // The policy denies `delete_*`, and `notes:admin` would be needed for it.
    for held in [&["mcp:use"][..], &["mcp:use", "notes:admin"]] {
        let alice = alice(&world, held).await;
        for tool in ["delete_all", "delete_nothing_that_is_there"] {
            let (status, scope, _) = answer(world.call("t", &alice, tool)).await;
            assert_eq!((status, scope), (StatusCode::OK, None), "{tool} {held:?}");
            assert!(!backend.seen().contains(tool), "{tool}");
        }
    }
    let without = alice(&world, &[]).await;
    let (status, scope, _) = answer(world.call("t", &without, "delete_all")).await;
    assert_eq!((status, scope.as_deref()), (StatusCode::FORBIDDEN, Some("mcp:use")));
}

#[tokio::test]
async fn a_tool_that_a_scope_would_open_is_listed() {
    let tools =
        r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"whoami"},{"name":"delete_all"}]}}"#;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
    let backend =
        RawBackend::start(format!("{head} {}\r\n\r\n{tools}", tools.len()).leak(), true).await;
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    world.ask_for_scopes(&scopes());
    let alice = alice(&world, &["mcp:use"]).await;
    let list = world.request(Method::POST, "t", &alice).json(&message("tools/list", json!({})));
    let (status, _, body) = answer(list).await;
    assert_eq!(
        (status, &body["result"]["tools"]),
        (StatusCode::OK, &json!([{ "name": "whoami" }]))
    );
}

#[tokio::test]
async fn a_method_that_nobody_knows_needs_every_scope() {
    let (backend, world) = raw().await;
    world.open("t");
    let basic = alice(&world, &["mcp:use"]).await;
    let run = message("vendor/run", json!({ "name": "whoami" }));
    let (status, scope, _) = answer(world.request(Method::POST, "t", &basic).json(&run)).await;
    let all = "mcp:use notes:write notes:admin notes:plan notes:files";
    assert_eq!((status, scope.as_deref()), (StatusCode::FORBIDDEN, Some(all)));
    assert_eq!(backend.seen(), "");
    let with_all = alice(&world, &all.split(' ').collect::<Vec<_>>()).await;
    let (status, _, _) = answer(world.request(Method::POST, "t", &with_all).json(&run)).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_message_that_is_none_is_not_read_to_a_token_without_scopes() {
    let (_backend, world) = raw().await;
    for (held, expected) in
        [(&["mcp:use"][..], StatusCode::BAD_REQUEST), (&[], StatusCode::FORBIDDEN)]
    {
        let alice = alice(&world, held).await;
        let request = world.request(Method::POST, "t", &alice).body("[1");
        let request = request.header("content-type", "application/json");
        assert_eq!(answer(request).await.0, expected);
    }
}

#[tokio::test]
async fn what_scopes_a_token_has_stands_nowhere() {
    let log = capture_log();
    let (_backend, world) = raw().await;
    let alice = alice(&world, &[CANARY, "mcp:use"]).await;
    let response = world.call("t", &alice, "whoami").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(!format!("{:?}", response.headers()).contains(CANARY));
    assert!(!response.text().await.unwrap().contains(CANARY));
    assert!(log.text().contains("a token lacks scopes"));
    assert!(!log.text().contains(CANARY));
}

#[tokio::test]
async fn a_call_without_any_scope_in_its_token_works_where_none_is_asked_for() {
    let (_backend, world) = raw().await;
    world.ask_for_scopes(&TenantScopes::default());
    let alice = alice(&world, &[]).await;
    let request = world.request(Method::POST, "t", &alice).json(&call("whoami"));
    assert_eq!(answer(request).await.0, StatusCode::OK);
}
