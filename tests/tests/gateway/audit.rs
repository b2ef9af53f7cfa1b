//! What is written down of requests.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bonafide_mcp::{Limits, TenantScopes};
use bonafide_policy::{Audit, AuditError, AuditEvent, AuditSink, JsonLines};
use bonafide_tests::{CANARY, RawBackend, World, call};
use bonafide_tower::RequiredScopes;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 46\r\n\r\n\
    {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"tools\":[]}}";

async fn world(sink: impl AuditSink, queue: usize) -> (RawBackend, World, Audit) {
    let backend = RawBackend::start(ANSWER, true).await;
    let audit = Audit::builder().with_sink(sink).with_queue(queue).start().unwrap();
    let tenants = [("github", backend.url()), ("jira", backend.url())];
    let world = World::start_with_audit(&tenants, Limits::default(), audit.clone()).await;
    (backend, world, audit)
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Everything but when it was.
fn event(subject: &str, tenant: &str, tool: Value, rules: Value, reason: Value, id: &str) -> Value {
    let outcome = if reason.is_null() { "allowed" } else { "denied" };
    json!({
        "issuer": "https://idp.example", "directory": null, "subject": subject, "username": subject,
        "action": "use", "tenant": tenant, "tool": tool, "variable": null,
        "owner_issuer": null, "owner_directory": null, "owner_subject": null,
        "outcome": outcome, "reason": reason, "rules": rules, "request_id": id,
    })
}

#[tokio::test]
async fn each_decision_is_written_down_with_user_tenant_tool_rules_and_request() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let (_backend, world, audit) = world(JsonLines::open(&path).unwrap(), 100).await;
    let alice = world.user("alice", &["github"]);
    world.store(&alice, "github", CANARY).await;
    let send = async |request: reqwest::RequestBuilder, id: &str| {
        let response = request.header("x-request-id", id).send().await.unwrap();
        assert_eq!(response.headers()["x-request-id"], id);
        response.status()
    };
    let mut secret = call("whoami");
    secret["params"]["arguments"] = json!({ "password": CANARY });
    let whoami = world.request(Method::POST, "github", &alice).json(&secret);
    assert_eq!(send(whoami, "r-1").await, StatusCode::OK);
    send(world.call("github", &alice, "delete_repo"), "r-2").await;
    let list = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" });
    let list = world.request(Method::POST, "github", &alice).json(&list);
    assert_eq!(send(list, "r-3").await, StatusCode::OK);
    assert_eq!(send(world.call("jira", &alice, "whoami"), "r-4").await, StatusCode::FORBIDDEN);
    // Nobody was decided about here.
    let anonymous = world.anonymous(Method::POST, "/github/mcp").json(&call("whoami"));
    assert_eq!(send(anonymous, "r-5").await, StatusCode::UNAUTHORIZED);
    // What nobody knows could be anything, and a list of tasks be that of others.
    for method in ["vendor/run", "tasks/list"] {
        let message = json!({ "jsonrpc": "2.0", "id": 7, "method": method });
        let unknown = world.request(Method::POST, "github", &alice).json(&message);
        assert_eq!(send(unknown, "r-6").await, StatusCode::OK);
    }
    // What was decided stays decided, whatever is wrong besides.
    let subscribes = json!({ "jsonrpc": "2.0", "id": 7, "method": "subscriptions/listen", "params": {
        "notifications": { "resourceSubscriptions": ["notes://1"], "taskIds": 7 } } });
    let subscribes = world.request(Method::POST, "github", &alice).json(&subscribes);
    assert_eq!(send(subscribes, "r-7").await, StatusCode::BAD_REQUEST);
    assert!(audit.flush(SOON));

    let (none, allow) = (Value::Null, json!(["allow-github"]));
    let expected = [
        event("alice", "github", json!("whoami"), allow.clone(), none.clone(), "r-1"),
        event("alice", "github", json!("delete_repo"), json!(["no-delete"]), json!("rule"), "r-2"),
        event("alice", "github", none.clone(), allow.clone(), none.clone(), "r-3"),
        event("alice", "jira", none.clone(), json!([]), json!("no_rule"), "r-4"),
        event("alice", "github", json!("vendor/run"), json!([]), json!("no_rule"), "r-6"),
        event("alice", "github", json!("tasks/list"), json!([]), json!("no_rule"), "r-6"),
        event("alice", "github", json!("resources/notes://1"), allow, none, "r-7"),
    ];
    let mut found = lines(&path);
    for line in &mut found {
        assert!(line.as_object_mut().unwrap().remove("at").is_some());
    }
    assert_eq!(found, expected);
    assert!(!std::fs::read_to_string(&path).unwrap().contains(CANARY));
}

#[tokio::test]
async fn scopes_that_a_token_lacks_are_written_down_as_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let (_backend, world, audit) = world(JsonLines::open(&path).unwrap(), 100).await;
    world.ask_for_scopes(&TenantScopes::new(RequiredScopes::new(["mcp:use"]).unwrap()));
    let alice = world.user("alice", &["github"]).with_scopes([CANARY]);
    for request in
        [world.call("github", &alice, "whoami"), world.request(Method::GET, "github", &alice)]
    {
        let request = request.header("x-request-id", "r");
        assert_eq!(request.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    }
    assert!(audit.flush(SOON));
    let mut found = lines(&path);
    for line in &mut found {
        assert!(line.as_object_mut().unwrap().remove("at").is_some());
    }
    let expected = [json!("whoami"), Value::Null]
        .map(|tool| event("alice", "github", tool, json!([]), json!("scopes_missing"), "r"));
    assert_eq!(found, expected);
    assert!(!std::fs::read_to_string(&path).unwrap().contains(CANARY));
}

#[tokio::test]
async fn a_request_without_a_name_gets_one_that_the_backend_sees_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let (backend, world, audit) = world(JsonLines::open(&path).unwrap(), 100).await;
    let alice = world.user("alice", &["github"]);
    world.store(&alice, "github", "key").await;
    let mut ids = Vec::new();
    for given in [None, Some("two words"), None] {
        let mut request = world.call("github", &alice, "whoami");
        if let Some(given) = given {
            request = request.header("x-request-id", given);
        }
        let response = request.send().await.unwrap();
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert!(id.len() > 16 && !ids.contains(&id), "{id}");
        ids.push(id);
    }
    assert!(audit.flush(SOON));
    let written: Vec<_> = lines(&path).iter().map(|line| line["request_id"].clone()).collect();
    assert_eq!(written, ids);
    let seen = backend.seen();
    let seen = seen.lines().filter_map(|line| line.strip_prefix("x-request-id: "));
    assert_eq!(seen.collect::<Vec<_>>(), ids);
}

/// Writes nothing until it is let go.
#[derive(Debug)]
struct Stuck(Mutex<Receiver<()>>);

impl AuditSink for Stuck {
    fn write(&mut self, _: &[Arc<AuditEvent>]) -> Result<(), AuditError> {
        let _ = self.0.lock().unwrap().recv();
        Ok(())
    }
}

#[tokio::test]
async fn a_sink_that_is_stuck_holds_up_no_request_and_what_it_loses_is_counted() {
    let (let_go, wait) = channel();
    let (_backend, world, audit) = world(Stuck(Mutex::new(wait)), 2).await;
    let alice = world.user("alice", &["github"]);
    world.store(&alice, "github", "key").await;
    for _ in 0..300 {
        let request = world.call("github", &alice, "whoami").timeout(SOON);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    }
    // The sink has some, the queue two.
    assert!(audit.lost() >= 200, "{}", audit.lost());
    drop(let_go);
    assert!(audit.flush(SOON));
}

#[tokio::test]
async fn a_name_that_no_rule_is_compared_with_is_written_down_as_denied() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let (_backend, world, audit) = world(JsonLines::open(&path).unwrap(), 100).await;
    let alice = world.user("alice", &["github"]);
    world.store(&alice, "github", CANARY).await;
    for uri in ["file:///a", "file:///a/../b"] {
        let read = json!({ "jsonrpc": "2.0", "id": 7, "method": "resources/read", "params": { "uri": uri } });
        world.request(Method::POST, "github", &alice).json(&read).send().await.unwrap();
    }
    assert!(audit.flush(SOON));
    let found = lines(&path);
    let found: Vec<_> = found.iter().map(|line| (&line["tool"], &line["outcome"])).collect();
    let (plain, other) = (json!("resources/file:///a"), json!("resources/file:///a/../b"));
    assert_eq!(found, [(&plain, &json!("allowed")), (&other, &json!("denied"))]);
}
