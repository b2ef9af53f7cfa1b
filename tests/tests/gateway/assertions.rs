//! What a backend can verify by itself, and what the gateway takes from Open WebUI.

use std::sync::Arc;

use axum::routing::post;
use axum::{Extension, Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use bonafide_claims::{Groups, Profile, TrustedIssuer, VerifiedUser, Verifier};
use bonafide_headers::Templates;
use bonafide_jwks::SharedSecret;
use bonafide_mcp::{Directory, Gateway, Limits, SharedDirectory, Tenant, TenantError};
use bonafide_policy::{Policy, Rule};
use bonafide_testkit::{Server, User};
use bonafide_tests::{RawBackend, World, call};
use bonafide_tower::{AuthenticateLayer, Authenticator};
use bonafide_vault::{Keyring, MasterKey, MemoryVault, SecretStore};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Answers with what it knows about the caller.
async fn whoami(Extension(user): Extension<VerifiedUser>) -> Json<Value> {
    let groups: Vec<&str> = match user.groups() {
        Groups::Known(groups) => groups.iter().map(AsRef::as_ref).collect(),
        _ => vec!["unknown"],
    };
    Json(json!({ "jsonrpc": "2.0", "id": 7, "result": {
        "subject": user.subject().as_str(), "username": user.username(), "groups": groups } }))
}

struct Backend {
    listener: Option<TcpListener>,
    url: String,
    server: Option<Server>,
}

impl Backend {
    async fn bind() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        Self { listener: Some(listener), url, server: None }
    }

    /// Serves to those whom the gateway vouches for, as the crate docs of `bonafide-mcp` say.
    fn serve(&mut self, world: &World, audience: &str, header: &str) {
        // A URL is the same however it is written.
        let [gateway, own] = [&world.url(""), audience].map(|url| url.replace("http:", "HTTP:"));
        let authenticator = Authenticator::of_gateway(&gateway, &own, header).unwrap();
        let router =
            Router::new().route("/mcp", post(whoami)).layer(AuthenticateLayer::new(authenticator));
        self.server = Some(Server::start_on(self.listener.take().unwrap(), router));
    }
}

fn assert_in(world: &World, url: &str, header: &str) {
    let rule = Rule::allow("all").with_groups(["g-t"]).with_tenants(["t"]);
    let policy = Policy::builder().with_rule(rule).build().unwrap();
    let templates = Templates::builder().build().unwrap();
    let tenant = Tenant::new("t".parse().unwrap(), url.parse().unwrap(), templates).unwrap();
    let tenant = tenant.with_assertion(header.parse().unwrap()).unwrap();
    world.directory.replace(Directory::new([tenant], policy));
}

async fn ask(world: &World, user: &User) -> (StatusCode, Value) {
    let request = world.call("t", user, "whoami").header("x-bonafide-assertion", "forged");
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

#[tokio::test]
async fn a_backend_verifies_who_is_calling_with_one_layer() {
    for header in ["x-bonafide-assertion", "authorization"] {
        let mut backend = Backend::bind().await;
        let world = World::start(&[("t", backend.url.clone())], Limits::default()).await;
        assert_in(&world, &backend.url, header);
        let url = backend.url.clone();
        backend.serve(&world, &url, header);
        let (status, body) = ask(&world, &world.user("alice", &["t"])).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(body["result"]["subject"], "https://idp.example#alice");
        assert_eq!(body["result"]["username"], "alice");
        assert_eq!(body["result"]["groups"], json!(["g-t"]));
        // Without the gateway nobody gets in: not with a user's own token either.
        let client = reqwest::Client::new();
        for token in [None, Some(world.user("alice", &["t"]).token())] {
            let mut request = client.post(&backend.url).json(&call("whoami"));
            if let Some(token) = token {
                request = request.header(header, format!("Bearer {token}"));
            }
            assert_eq!(request.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
        }
    }
}

#[tokio::test]
async fn an_assertion_for_one_backend_is_none_for_another() {
    let mut backend = Backend::bind().await;
    let world = World::start(&[("t", backend.url.clone())], Limits::default()).await;
    assert_in(&world, &backend.url, "x-bonafide-assertion");
    backend.serve(&world, "https://another.example/mcp", "x-bonafide-assertion");
    let (status, body) = ask(&world, &world.user("alice", &["t"])).await;
    // Its 401 is not the client's: nothing that the user could enter would help.
    assert_eq!(status, StatusCode::BAD_GATEWAY, "{body}");
}

#[tokio::test]
async fn the_keys_are_public_and_nothing_else_is() {
    let world =
        World::start(&[("t", "http://127.0.0.1:9/mcp".to_owned())], Limits::default()).await;
    let path = "/.well-known/jwks.json";
    let response = world.anonymous(Method::GET, path).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/jwk-set+json");
    let body: Value = response.json().await.unwrap();
    for key in body["keys"].as_array().unwrap() {
        assert!(key.get("d").is_none());
        assert_eq!(BASE64URL.decode(key["x"].as_str().unwrap()).unwrap().len(), 32);
    }
    let post = world.anonymous(Method::POST, path).send().await.unwrap();
    assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn an_assertion_does_not_take_the_place_of_another_header() {
    let templates = || Templates::builder().with_header("X-Who", "${username}").build().unwrap();
    let tenant = || {
        Tenant::new("t".parse().unwrap(), "http://127.0.0.1/".parse().unwrap(), templates())
            .unwrap()
    };
    for header in ["x-who", "host", "mcp-session-id", "content-type", "cookie"] {
        let refused = tenant().with_assertion(header.parse().unwrap()).unwrap_err();
        assert_eq!(refused, TenantError::Assertion, "{header}");
    }
    assert!(tenant().with_assertion("x-other".parse().unwrap()).is_ok());
}

/// What Open WebUI 0.12 sends for a user, with an `exp` in 2100: signed with `SECRET`, and with another one.
const FROM_OPEN_WEBUI: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1LTEiLCJlbWFpbCI6ImFsaWNlQGV4YW1wbGUuY29tIiwibmFtZSI6IkFsaWNlIiwicm9sZSI6InVzZXIiLCJpc3MiOiJvcGVuLXdlYnVpIiwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjQxMDI0NDQ4MDB9.IIqWlv6tp-2GJe5bVx3RCj9F0Enww4guBp8CMAbQQC4";
const FROM_SOMEBODY_ELSE: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1LTEiLCJlbWFpbCI6ImFsaWNlQGV4YW1wbGUuY29tIiwibmFtZSI6IkFsaWNlIiwicm9sZSI6InVzZXIiLCJpc3MiOiJvcGVuLXdlYnVpIiwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjQxMDI0NDQ4MDB9.H1pxIPSfCK_uR2ZFkdOdZAtsffk4vL_3xv5zAirziZw";
const SECRET: &str = "0123456789abcdefghijklmnopqrstuv";

#[tokio::test]
async fn a_user_of_open_webui_comes_in_by_its_assertion_alone() {
    let backend =
        RawBackend::start("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n", true).await;
    let templates = Templates::builder().with_header("X-Who", "${email}").build().unwrap();
    let tenant = Tenant::new("t".parse().unwrap(), backend.url().parse().unwrap(), templates);
    let rule = Rule::allow("users").with_roles(["user"]).with_tenants(["t"]);
    let policy = Policy::builder().with_rule(rule).build().unwrap();
    let secret = Arc::new(SharedSecret::new(SECRET).unwrap());
    let issuer = TrustedIssuer::builder("open-webui".parse().unwrap(), secret);
    let issuer = issuer.with_profile(Profile::open_webui()).build().unwrap();
    let verifier = Verifier::builder().with_issuer(issuer).build().unwrap();
    let name = "x-openwebui-user-jwt".parse().unwrap();
    let keyring = Keyring::new(&MasterKey::generate().unwrap()).unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let public_url = format!("http://{}", listener.local_addr().unwrap());
    let gateway = Gateway::builder(
        Authenticator::without_bearer().with_assertion(name, verifier),
        SharedDirectory::new(Directory::new([tenant.unwrap()], policy)),
        SecretStore::new(Arc::new(MemoryVault::new()), keyring),
        public_url.parse().unwrap(),
    );
    let gateway = gateway.build().unwrap();
    let server = Server::start_on(listener, Router::new().fallback_service(gateway));
    let send = async |header: &str, value: &str| {
        let request = reqwest::Client::new().post(format!("{}/t/mcp", server.origin()));
        let message = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        // What Open WebUI sends besides, and without a secret instead, is text that anybody could send.
        let request = request.header("x-openwebui-user-email", "admin@example.com");
        request.header(header, value).json(&message).send().await.unwrap().status()
    };
    assert_eq!(send("x-openwebui-user-jwt", FROM_SOMEBODY_ELSE).await, StatusCode::UNAUTHORIZED);
    assert_eq!(send("x-openwebui-user-id", "u-1").await, StatusCode::UNAUTHORIZED);
    let bearer = format!("Bearer {FROM_OPEN_WEBUI}");
    assert_eq!(send("authorization", &bearer).await, StatusCode::UNAUTHORIZED);
    assert_eq!(backend.seen(), "");
    assert_eq!(send("x-openwebui-user-jwt", FROM_OPEN_WEBUI).await, StatusCode::ACCEPTED);
    let seen = backend.seen();
    assert!(seen.contains("x-who: alice@example.com"), "{seen}");
    assert!(
        !seen.contains("openwebui") && !seen.contains("admin") && !seen.contains(FROM_OPEN_WEBUI),
        "{seen}"
    );
}
