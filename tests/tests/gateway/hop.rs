//! Users who are known by the word of a host in front of the gateway.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use bonafide_headers::{Templates, Variable};
use bonafide_mcp::{Directory, Gateway, SharedDirectory, Tenant, TenantScopes};
use bonafide_policy::{Policy, Rule};
use bonafide_tests::RawBackend;
use bonafide_tower::{Authenticator, Peer, RequiredScopes, TrustedHop};
use bonafide_vault::{Keyring, MasterKey, MemoryVault, SecretStore};
use http::response::Parts;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

const SECRET: &str = "a secret of thirty-two bytes and more";

/// What a user of the hop is answered.
async fn ask(backend: &RawBackend, template: &str, assertion: Option<&str>) -> (StatusCode, Value) {
    let (response, body) = ask_with(backend, template, assertion, TenantScopes::default()).await;
    (response.status, body)
}

async fn ask_with(
    backend: &RawBackend,
    template: &str,
    assertion: Option<&str>,
    scopes: TenantScopes,
) -> (Parts, Value) {
    let templates = Templates::builder()
        .with_variable(Variable::new("KEY".parse().unwrap()))
        .with_header("X-Who", template)
        .build()
        .unwrap();
    let url = backend.url().parse().unwrap();
    let tenant = Tenant::new("t".parse().unwrap(), url, templates).unwrap();
    let mut tenant = tenant.with_scopes(scopes);
    if let Some(header) = assertion {
        tenant = tenant.with_assertion(header.parse().unwrap()).unwrap();
    }
    let rule = Rule::allow("r").with_groups(["staff"]).with_tenants(["t"]);
    let policy = Policy::builder().with_rule(rule).build().unwrap();
    let hop = TrustedHop::builder(
        "corporate-proxy".parse().unwrap(),
        "x-hop-secret".parse().unwrap(),
        SECRET.into(),
    )
    .with_subject("x-user-id".parse().unwrap())
    .with_groups("x-user-groups".parse().unwrap())
    .with_peer("10.0.0.7".parse().unwrap())
    .build()
    .unwrap();
    let keyring = Keyring::new(&MasterKey::generate().unwrap()).unwrap();
    let gateway = Gateway::builder(
        Authenticator::without_bearer().with_trusted_hop(hop),
        SharedDirectory::new(Directory::new([tenant], policy)),
        SecretStore::new(Arc::new(MemoryVault::new()), keyring),
        "https://mcp.example.com".parse().unwrap(),
    );
    let message = json!({
        "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {
            "name": "whoami", "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": { "elicitation": { "url": {} } } } } });
    let request = Request::post("/t/mcp")
        .header("host", "mcp.example.com")
        .header("x-hop-secret", SECRET)
        .header("x-user-id", "ada")
        .header("x-user-groups", "staff")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "whoami")
        .extension(Peer("10.0.0.7".parse::<IpAddr>().unwrap()))
        .body(Body::from(message.to_string()))
        .unwrap();
    let response = gateway.build().unwrap().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = to_bytes(Body::new(body), 65536).await.unwrap();
    (head, serde_json::from_slice(&body).unwrap())
}

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 36\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}";

#[tokio::test]
async fn no_assertion_is_made_about_a_user_for_whom_no_issuer_vouches() {
    let backend = RawBackend::start(ANSWER, true).await;
    for header in ["x-assertion", "authorization"] {
        let (status, body) = ask(&backend, "${user.subject}", Some(header)).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{body}");
        assert_eq!((&body["id"], &body["error"]["code"]), (&7.into(), &403.into()), "{body}");
        assert!(body["error"]["message"].as_str().unwrap().contains("token"), "{body}");
        assert_eq!(backend.seen(), "");
    }
    // Without one the hop's word is enough: that is what its administrator chose.
    let (status, _) = ask(&backend, "${user.subject}", None).await;
    assert_eq!(status, StatusCode::OK);
    assert!(backend.seen().contains("x-who: ada"));
}

#[tokio::test]
async fn who_cannot_sign_in_to_the_page_is_not_sent_there() {
    let backend = RawBackend::start(ANSWER, true).await;
    let (status, body) = ask(&backend, "${KEY}", None).await;
    assert_eq!((status, &body["result"]["isError"]), (StatusCode::OK, &true.into()), "{body}");
    let text = body["result"]["content"][0]["text"].as_str().unwrap();
    assert!(!body.to_string().contains("/connections/"), "{text}");
    assert!(text.contains("administrator") && text.contains("/api/tenants/t/variables/"), "{text}");
}

#[tokio::test]
async fn who_has_no_token_is_not_sent_for_a_better_one() {
    let backend = RawBackend::start(ANSWER, true).await;
    let scopes = TenantScopes::new(RequiredScopes::new(["mcp:use"]).unwrap());
    let (head, body) = ask_with(&backend, "${user.subject}", None, scopes).await;
    assert_eq!(head.status, StatusCode::FORBIDDEN, "{body}");
    assert_eq!((&body["id"], &body["error"]["code"]), (&7.into(), &403.into()), "{body}");
    assert!(!head.headers.contains_key("www-authenticate"));
    assert_eq!(backend.seen(), "");
}

/// Nobody can get a token where none is taken: a client is not sent to look for where.
#[tokio::test]
async fn who_takes_no_tokens_points_to_no_metadata() {
    let policy = Policy::builder().build().unwrap();
    let keyring = Keyring::new(&MasterKey::generate().unwrap()).unwrap();
    let gateway = Gateway::builder(
        Authenticator::without_bearer(),
        SharedDirectory::new(Directory::new([], policy)),
        SecretStore::new(Arc::new(MemoryVault::new()), keyring),
        "https://mcp.example.com".parse().unwrap(),
    );
    let request = Request::post("/t/mcp").header("host", "mcp.example.com").body(Body::empty());
    let response = gateway.build().unwrap().oneshot(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
}
