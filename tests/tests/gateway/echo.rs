//! Backends that say what they were called with.

use bonafide_headers::{Templates, Variable};
use bonafide_mcp::{Directory, Limits, Tenant};
use bonafide_tests::{RawBackend, World, call};
use reqwest::{Method, StatusCode};
use serde_json::json;

/// Has in it what encoders of JSON write in several ways.
const KEY: &str = "canary-7f3a/key+\"x\"";

/// The text that a client gets for what the backend says, with a key that is sent as a bearer token.
async fn told(head: &str, body: &str) -> (StatusCode, reqwest::header::HeaderMap, String) {
    let length = body.len();
    let answer = format!("HTTP/1.1 {head}content-length: {length}\r\n\r\n{body}").leak();
    let backend = RawBackend::start(answer, false).await;
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", KEY).await;
    world.open("t");
    let response = world.call("t", &alice, "whoami").send().await.unwrap();
    assert!(backend.seen().contains(KEY), "the canary never flew");
    let (status, headers) = (response.status(), response.headers().clone());
    (status, headers, response.text().await.unwrap())
}

const JSON: &str = "content-type: application/json\r\n";
const EVENTS: &str = "content-type: text/event-stream\r\n";

#[tokio::test]
async fn a_credential_in_an_error_is_masked_and_nothing_else_is_changed() {
    let quoted = KEY.replace('"', "\\\"");
    let escaped = KEY.replace('/', "\\/").replace('+', "\\u002B").replace('"', "\\u0022");
    for key in [&*quoted, &*escaped] {
        let error = format!(
            r#"{{"jsonrpc":"2.0","id":7,"error":{{"code":-32000,"message":"upstream: 401 for Bearer {key}, sorry"}}}}"#
        );
        let failed = format!(
            r#"{{"jsonrpc":"2.0","id":7,"result":{{"content":[{{"type":"text","text":"{key}"}}],"isError":true}}}}"#
        );
        let long = format!(
            r#"{{"jsonrpc":"2.0","id":7,"error":{{"data":"{}","message":"{key}"}}}}"#,
            "x".repeat(100_000)
        );
        for body in [error, failed, long] {
            let event = format!("id: 1\ndata: {body}\n\n");
            for (head, text) in [
                (format!("200 OK\r\n{JSON}"), &body),
                (format!("200 OK\r\n{EVENTS}"), &event),
                (format!("400 Bad Request\r\n{JSON}"), &body),
                (format!("404 Not Found\r\n{JSON}"), &body),
                (format!("500 Oops\r\n{JSON}"), &body),
                ("422 No\r\ncontent-type: text/plain\r\n".to_owned(), &body),
            ] {
                let (status, headers, told) = told(&head, text).await;
                assert!(head.starts_with(status.as_str()), "{status}");
                assert_eq!(told, text.replace(key, &"*".repeat(key.len())), "{head}");
                assert_eq!(headers["content-length"], text.len().to_string(), "{head}");
            }
        }
    }
}

#[tokio::test]
async fn a_successful_result_goes_on_byte_for_byte() {
    let result = json!({ "jsonrpc": "2.0", "id": 7, "result": { "content": [{ "type": "text", "text": KEY }], "isError": false } });
    let event = format!("data: {result}\n\n");
    assert_eq!(told(&format!("200 OK\r\n{JSON}"), &result.to_string()).await.2, result.to_string());
    assert_eq!(told(&format!("200 OK\r\n{EVENTS}"), &event).await.2, event);
}

#[tokio::test]
async fn a_header_that_holds_a_credential_does_not_go_on() {
    let head = format!(
        "400 {KEY}\r\n{JSON}x-debug: sent {KEY}\r\nx-kept: canary\r\nmcp-session-id: {KEY}\r\n"
    );
    let (_, headers, _) = told(&head, "{}").await;
    assert!(headers.contains_key("x-kept"));
    assert!(!format!("{headers:?}").contains("canary-7f3a"), "{headers:?}");
    assert!(!headers.contains_key("mcp-session-id"));
}

/// A backend that refuses everything, in these words.
async fn saying(words: &str) -> (RawBackend, World) {
    let length = words.len();
    let answer = format!(
        "HTTP/1.1 400 No\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n{words}"
    );
    let backend = RawBackend::start(answer.leak(), false).await;
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    (backend, world)
}

fn with_templates(world: &World, backend: &RawBackend, templates: Templates) {
    let url = backend.url().parse().unwrap();
    let tenant = Tenant::new("t".parse().unwrap(), url, templates).unwrap();
    let policy = world.directory.load().policy().clone();
    world.directory.replace(Directory::new([tenant], policy));
}

#[tokio::test]
async fn what_a_template_makes_of_a_credential_is_masked_too_and_an_open_value_is_not() {
    let body = "no: dXNlci1uYW1lOmNhbmFyeS1wYXNz, Basic dXNlci1uYW1lOmNhbmFyeS1wYXNz, canary-pass, user-name, alice-the-user";
    let (backend, world) = saying(body).await;
    let alice = world.user("alice-the-user", &["t"]);
    let templates = Templates::builder()
        .with_variable(
            Variable::builder("NAME".parse().unwrap()).with_secret(false).build().unwrap(),
        )
        .with_variable(Variable::new("KEY".parse().unwrap()))
        .with_header("Authorization", "Basic ${basic(NAME, KEY)}")
        .with_header("X-User-Id", "${username}")
        .build()
        .unwrap();
    with_templates(&world, &backend, templates);
    world.store(&alice, "t", "canary-pass").await;
    let permit =
        world.directory.load().policy().permit(&alice.verified(), &"t".parse().unwrap()).unwrap();
    world.secrets.open(&permit).write(&"NAME".parse().unwrap(), "user-name".into()).await.unwrap();
    let request = world.request(Method::POST, "t", &alice).json(&call("whoami"));
    let told = request.send().await.unwrap().text().await.unwrap();
    assert!(backend.seen().contains("dXNlci1uYW1lOmNhbmFyeS1wYXNz"), "{}", backend.seen());
    let stars = "*".repeat(28);
    assert_eq!(told, format!("no: {stars}, Basic {stars}, ***********, user-name, alice-the-user"));
}

#[tokio::test]
async fn a_secret_of_the_environment_is_masked_by_itself() {
    let body = "no: token=canary-env, canary-env; svc:canary-pass, canary-pass";
    let (backend, world) = saying(body).await;
    let alice = world.user("alice", &["t"]);
    let templates = Templates::builder()
        .with_env("SHARED", "canary-env".into())
        .with_env("PASS", "canary-pass".into())
        .with_header("Authorization", "Token token=${env.SHARED}")
        .with_header("X-Upstream", r#"Basic ${basic("svc", env.PASS)}"#)
        .build()
        .unwrap();
    with_templates(&world, &backend, templates);
    let told = world.call("t", &alice, "whoami").send().await.unwrap().text().await.unwrap();
    assert!(backend.seen().contains("token=canary-env"), "{}", backend.seen());
    assert!(!told.contains("canary"), "{told}");
    assert!(told.starts_with("no: ") && told.contains("; svc:"), "{told}");
}
