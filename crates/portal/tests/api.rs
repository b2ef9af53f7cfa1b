//! The API and the pages, as a script and a browser see them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode};
use bonafide_headers::{Templates, Variable};
use bonafide_mcp::{Directory, SharedDirectory, Tenant};
use bonafide_policy::{Policy, Rule};
use bonafide_portal::Portal;
use bonafide_testkit::{Issuer, User};
use bonafide_tower::Authenticator;
use bonafide_vault::{Keyring, MasterKey, MemoryVault, SecretStore};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

const CANARY: &str = "canary-0123456789";

struct World {
    idp: Issuer,
    router: Router,
}

fn tenant(id: &str) -> Tenant {
    let templates = Templates::builder()
        .with_variable(
            Variable::builder("KEY".parse().unwrap())
                .with_title("API <key>")
                .with_pattern("^canary-[0-9]+$")
                .build()
                .unwrap(),
        )
        .with_variable(
            Variable::builder("REGION".parse().unwrap())
                .with_secret(false)
                .with_required(false)
                .build()
                .unwrap(),
        )
        .with_header("Authorization", "Bearer ${KEY}")
        .with_header("X-Region", "${REGION}")
        .build()
        .unwrap();
    Tenant::new(id.parse().unwrap(), "https://api.example/mcp".parse().unwrap(), templates).unwrap()
}

fn world() -> World {
    let policy = Policy::builder()
        .with_rule(Rule::allow("team").with_groups(["team"]).with_tenants(["one"]))
        .build()
        .unwrap();
    let idp = Issuer::new("https://idp.example");
    let keyring = Keyring::new(&MasterKey::generate().unwrap()).unwrap();
    let portal = Portal::new(
        Authenticator::bearer(idp.verifier()),
        SharedDirectory::new(Directory::new([tenant("one"), tenant("two")], policy)),
        SecretStore::new(Arc::new(MemoryVault::new()), keyring),
        "https://mcp.example.com".parse().unwrap(),
    );
    World { idp, router: portal.router() }
}

impl World {
    fn alice(&self) -> User {
        self.idp.user("alice").with_groups(["team"])
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn api(
        &self,
        user: &User,
        method: Method,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "mcp.example.com")
            .header("authorization", format!("Bearer {}", user.token()))
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        let response = self.send(request).await;
        let status = response.status();
        let text = text(response).await;
        assert!(!text.contains(CANARY), "{text}");
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

const KEY: &str = "/api/tenants/one/variables/KEY";

#[tokio::test]
async fn a_secret_goes_in_and_only_its_status_comes_out() {
    let world = world();
    let alice = world.alice();
    let (_, before) = world.api(&alice, Method::GET, "/api/tenants", Value::Null).await;
    assert_eq!(before["tenants"][0]["ready"], false);
    let stored = world.api(&alice, Method::PUT, KEY, json!({ "value": CANARY })).await;
    assert_eq!(stored, (StatusCode::NO_CONTENT, Value::Null));
    let region = "/api/tenants/one/variables/REGION";
    world.api(&alice, Method::PUT, region, json!({ "value": "eu" })).await;
    let (_, after) = world.api(&alice, Method::GET, "/api/tenants", Value::Null).await;
    let one = &after["tenants"][0];
    assert_eq!((&one["id"], &one["ready"]), (&json!("one"), &json!(true)));
    assert_eq!(one["variables"][0]["set"], true);
    assert!(one["variables"][0]["updated_at"].is_u64());
    assert!(one["variables"][0].get("value").is_none());
    // What is not secret is shown back to its owner, and to nobody else.
    assert_eq!(one["variables"][1]["value"], "eu");
    let bob = world.idp.user("bob").with_groups(["team"]);
    let (_, bobs) = world.api(&bob, Method::GET, "/api/tenants", Value::Null).await;
    assert_eq!(bobs["tenants"][0]["variables"][1]["set"], false);
    let (status, _) = world.api(&alice, Method::DELETE, KEY, Value::Null).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (_, gone) = world.api(&alice, Method::GET, "/api/tenants", Value::Null).await;
    assert_eq!(gone["tenants"][0]["variables"][0]["set"], false);
}

#[tokio::test]
async fn only_tenants_that_the_policy_allows_are_listed_or_written() {
    let world = world();
    let (_, list) = world.api(&world.alice(), Method::GET, "/api/tenants", Value::Null).await;
    let ids: Vec<&str> =
        list["tenants"].as_array().unwrap().iter().filter_map(|one| one["id"].as_str()).collect();
    assert_eq!(ids, ["one"]);
    let value = json!({ "value": CANARY });
    let cases = [
        ("/api/tenants/two/variables/KEY", StatusCode::FORBIDDEN),
        ("/api/tenants/nowhere/variables/KEY", StatusCode::NOT_FOUND),
        ("/api/tenants/one/variables/OTHER", StatusCode::NOT_FOUND),
        ("/api/tenants/one/variables/key", StatusCode::NOT_FOUND),
        ("/api/tenants/ONE/variables/KEY", StatusCode::NOT_FOUND),
        ("/api/tenants/one%2F..%2Ftwo/variables/KEY", StatusCode::NOT_FOUND),
    ];
    for (path, status) in cases {
        for method in [Method::PUT, Method::DELETE] {
            let (found, problem) =
                world.api(&world.alice(), method.clone(), path, value.clone()).await;
            assert_eq!(found, status, "{method} {path}");
            assert_eq!(problem["status"], status.as_u16(), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_value_that_breaks_a_rule_is_refused_in_words() {
    let world = world();
    let cases = [
        (json!({ "value": "other" }), StatusCode::BAD_REQUEST),
        (json!({ "value": "" }), StatusCode::BAD_REQUEST),
        (json!({ "value": "canary-1\n" }), StatusCode::BAD_REQUEST),
        (json!({ "value": 5 }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "valeu": CANARY }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "value": "canary-1", "extra": 1 }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "value": "x".repeat(70_000) }), StatusCode::PAYLOAD_TOO_LARGE),
    ];
    for (body, status) in cases {
        let (found, problem) = world.api(&world.alice(), Method::PUT, KEY, body).await;
        assert_eq!(found, status, "{problem}");
        assert!(problem["detail"].as_str().unwrap().len() > 10, "{problem}");
    }
    let (_, list) = world.api(&world.alice(), Method::GET, "/api/tenants", Value::Null).await;
    assert_eq!(list["tenants"][0]["variables"][0]["set"], false);
}

#[tokio::test]
async fn without_a_token_or_under_a_foreign_name_there_is_no_api() {
    let world = world();
    for path in ["/api/tenants", KEY, "/api/tenants/nowhere/variables/KEY"] {
        let request = Request::get(path).header("host", "mcp.example.com").body(Body::empty());
        assert_eq!(world.send(request.unwrap()).await.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    let token = format!("Bearer {}", world.alice().token());
    for (name, value) in [("host", "evil.example"), ("origin", "https://evil.example")] {
        let host = if name == "host" { value } else { "mcp.example.com" };
        let mut request =
            Request::get("/api/tenants").header("authorization", &token).header("host", host);
        if name == "origin" {
            request = request.header(name, value);
        }
        let response = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{name}");
    }
}

#[tokio::test]
async fn the_page_says_how_and_runs_nothing() {
    let world = world();
    let get = |path: &str| {
        Request::get(path).header("host", "mcp.example.com").body(Body::empty()).unwrap()
    };
    let response = world.send(get("/connections/one")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["referrer-policy"], "no-referrer");
    let page = text(response).await;
    assert!(page.contains("https://mcp.example.com/api/tenants/one/variables/KEY"), "{page}");
    // What an administrator wrote is text and never markup.
    assert!(page.contains("API &#60;key&#62;") || page.contains("API &lt;key&gt;"), "{page}");
    assert_eq!(world.send(get("/connections")).await.status(), StatusCode::OK);
    assert_eq!(world.send(get("/connections/-/style.css")).await.status(), StatusCode::OK);
    let unknown = world.send(get("/connections/%3Cscript%3E")).await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    assert!(!text(unknown).await.contains("script"));
}
