//! Tokens, hosts, tenants, methods.

use bonafide_mcp::Limits;
use bonafide_testkit::{Issuer, McpBackend};
use bonafide_tests::{World, call};
use reqwest::{Method, StatusCode};
use serde_json::Value;

async fn world() -> (McpBackend, World) {
    let backend = McpBackend::start().await;
    let world = World::start(&[("github", backend.url())], Limits::default()).await;
    (backend, world)
}

#[tokio::test]
async fn a_caller_without_a_valid_token_gets_401_whatever_else_is_wrong() {
    let (_backend, world) = world().await;
    let requests = [
        world.anonymous(Method::POST, "/github/mcp").json(&call("whoami")),
        world.anonymous(Method::GET, "/github/mcp"),
        world.anonymous(Method::DELETE, "/github/mcp"),
        world.anonymous(Method::PATCH, "/github/mcp"),
        world.anonymous(Method::POST, "/nowhere/mcp"),
        world.anonymous(Method::POST, "/NOT.a.tenant/mcp"),
        world.anonymous(Method::POST, "/github/mcp/"),
        world.anonymous(Method::GET, "/"),
        world.anonymous(Method::POST, "/github/mcp").body("not JSON"),
        world.anonymous(Method::POST, "/github/mcp").body(vec![b'x'; 5 * 1024 * 1024]),
        world.anonymous(Method::POST, "/github/mcp").header("host", "evil.example"),
        world.anonymous(Method::POST, "/github/mcp").header("origin", "https://evil.example"),
        world.anonymous(Method::POST, "/github/mcp").header("mcp-session-id", "x"),
        world.anonymous(Method::POST, "/github/mcp").bearer_auth("nonsense"),
    ];
    for request in requests {
        let request = request.build().unwrap();
        let shown = format!("{} {}", request.method(), request.url());
        let response = reqwest::Client::new().execute(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{shown}");
        let challenge = response.headers()["www-authenticate"].to_str().unwrap();
        assert!(challenge.starts_with("Bearer"), "{shown}: {challenge}");
    }
}

/// RFC 6750 knows two more places, sections 2.2 and 2.3, which end in logs and histories; MCP forbids the second.
#[tokio::test]
async fn a_valid_token_is_one_in_its_header_only() {
    let (_backend, world) = world().await;
    let token = world.user("alice", &["github"]).token();
    let at = |query: String| world.anonymous(Method::POST, &format!("/github/mcp{query}"));
    let form = |request: reqwest::RequestBuilder| {
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.body(format!("access_token={token}"))
    };
    let requests = [
        at(format!("?access_token={token}")).json(&call("whoami")),
        at(format!("?token={token}")).json(&call("whoami")),
        at(format!("?access_token={token}")).bearer_auth("nonsense").json(&call("whoami")),
        form(at(String::new())),
        at(String::new()).header("cookie", format!("access_token={token}")).json(&call("whoami")),
    ];
    for (index, request) in requests.into_iter().enumerate() {
        let status = request.send().await.unwrap().status();
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{index}");
    }
    let request = at(String::new()).bearer_auth(&token).json(&call("whoami"));
    assert_ne!(request.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn tokens_that_are_not_for_us_get_401() {
    let (_backend, world) = world().await;
    let alice = world.user("alice", &["github"]);
    let stranger = Issuer::new("https://idp.example").user("alice").with_groups(["g-github"]);
    let tokens = [
        alice.clone().with_audience("https://other.example").token(),
        alice.clone().without_claim("aud").token(),
        alice.clone().with_claim("exp", 1_000_000.into()).token(),
        alice.clone().with_claim("iss", "https://other.example".into()).token(),
        stranger.token(),
    ];
    for (index, token) in tokens.into_iter().enumerate() {
        let request = world.anonymous(Method::POST, "/github/mcp").json(&call("whoami"));
        let response = request.bearer_auth(token).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{index}");
        let challenge = response.headers()["www-authenticate"].to_str().unwrap();
        assert!(challenge.contains("error=\"invalid_token\""), "{index}: {challenge}");
        assert!(challenge.contains("/.well-known/oauth-protected-resource/github/mcp"), "{index}");
    }
}

#[tokio::test]
async fn the_challenge_does_not_tell_which_tenants_there_are() {
    let (_backend, world) = world().await;
    let challenge = |tenant: &'static str| {
        let request = world.anonymous(Method::POST, &format!("/{tenant}/mcp"));
        async move {
            let response = request.send().await.unwrap();
            response.headers()["www-authenticate"].to_str().unwrap().replace(tenant, "T")
        }
    };
    assert_eq!(challenge("github").await, challenge("nowhere").await);
}

#[tokio::test]
async fn the_metadata_document_names_issuer_and_resource() {
    let (_backend, world) = world().await;
    let path = "/.well-known/oauth-protected-resource/github/mcp";
    let response = world.anonymous(Method::GET, path).send().await.unwrap();
    let document: Value = response.error_for_status().unwrap().json().await.unwrap();
    assert_eq!(document["resource"], world.url("/github/mcp"));
    assert_eq!(document["authorization_servers"][0], "https://idp.example");
    let unknown = "/.well-known/oauth-protected-resource/nowhere/mcp";
    let response = world.anonymous(Method::GET, unknown).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_denial_is_403_with_a_json_rpc_error_for_the_request() {
    let (_backend, world) = world().await;
    let carol = world.user("carol", &[]);
    let response = world.call("github", &carol, "whoami").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    // A scope would not help, so there is nothing to step up to.
    assert!(!response.headers().contains_key("www-authenticate"));
    let body: Value = response.json().await.unwrap();
    assert_eq!((&body["id"], &body["error"]["code"]), (&7.into(), &403.into()));
    let response = world.request(Method::GET, "github", &carol).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn unknown_groups_are_not_no_groups_and_not_all_groups() {
    let (_backend, world) = world().await;
    for user in [
        world.idp.user("alice"),
        world.idp.user("alice").with_claim("groups", "g-github".into()),
        world.idp.user("alice").with_claim("groups", serde_json::json!({ "0": "g-github" })),
    ] {
        let response = world.call("github", &user, "whoami").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{:?}", user.claims()["groups"]);
    }
}

#[tokio::test]
async fn unknown_tenants_methods_and_names_are_refused() {
    let (_backend, world) = world().await;
    let alice = world.user("alice", &["github"]);
    let status =
        |request: reqwest::RequestBuilder| async { request.send().await.unwrap().status() };
    let unknown = world.request(Method::POST, "nowhere", &alice);
    assert_eq!(status(unknown).await, StatusCode::NOT_FOUND);
    let patch = world.request(Method::PATCH, "github", &alice);
    assert_eq!(status(patch).await, StatusCode::METHOD_NOT_ALLOWED);
    let host = world.call("github", &alice, "whoami").header("host", "evil.example");
    assert_eq!(status(host).await, StatusCode::FORBIDDEN);
    let origin = world.call("github", &alice, "whoami").header("origin", "https://evil.example");
    assert_eq!(status(origin).await, StatusCode::FORBIDDEN);
}
