//! Calls that wait for a credential: what changes meanwhile, what they cost, how they end.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bonafide_headers::{Templates, Variable};
use bonafide_mcp::{Directory, Limits, Tenant, TenantScopes};
use bonafide_policy::{Permit, Policy, Rule};
use bonafide_testkit::User;
use bonafide_tests::{RawBackend, World, call, capture_log};
use bonafide_tower::RequiredScopes;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::elicitation::{CAPABLE, again, json_of, messages, modern, whoami};

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 36\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}";

async fn world(backend: &RawBackend) -> (World, User) {
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    let alice = world.user("alice", &["t"]);
    (world, alice)
}

fn permit(world: &World, user: &User) -> Permit {
    let directory = world.directory.load();
    directory.policy().permit(&user.verified(), &"t".parse().unwrap()).unwrap()
}

async fn enter(world: &World, permit: &Permit) {
    let name = "KEY".parse().unwrap();
    world.secrets.open(permit).write(&name, "entered".into()).await.unwrap();
}

async fn state(world: &World, user: &User) -> String {
    let asked = json_of(whoami(world, user, CAPABLE)).await;
    asked["result"]["requestState"].as_str().unwrap().to_owned()
}

/// A call that waits.
async fn held(world: &World, user: &User) -> Response {
    let state = state(world, user).await;
    let response =
        again(world, user, &state, "accept").header("accept-encoding", "gzip").send().await;
    let response = response.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response
}

/// What it is answered with in the end.
async fn end(response: Response) -> Value {
    let text = tokio::time::timeout(Duration::from_secs(10), response.text()).await.unwrap();
    let text = text.unwrap();
    messages(&text).pop().unwrap_or_else(|| panic!("{text}"))
}

#[tokio::test]
async fn a_progress_token_that_nobody_can_write_is_left_out() {
    for (token, told) in
        [("1e999", false), (r#""\ud800""#, false), ("{}", false), ("12345678901234567890123", true)]
    {
        let backend = RawBackend::start(ANSWER, true).await;
        let (world, alice) = world(&backend).await;
        let state = state(&world, &alice).await;
        let params = json!({
            "name": "whoami", "arguments": {}, "requestState": state,
            "inputResponses": { "bonafide.credential": { "action": "accept" } },
            "_meta": {
                "progressToken": "TOKEN",
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": { "elicitation": { "url": {} } },
            },
        });
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
        let body = body.to_string().replace("\"TOKEN\"", token);
        let request =
            modern(&world, &alice, CAPABLE, "tools/call", json!({ "name": "whoami" })).body(body);
        let response = request.send().await.unwrap();
        let waiting = tokio::spawn(response.text());
        tokio::time::sleep(Duration::from_millis(100)).await;
        enter(&world, &permit(&world, &alice)).await;
        let text = waiting.await.unwrap().unwrap();
        assert!(text.contains(r#""result":{}"#), "{token}: {text}");
        assert_eq!(text.contains(&format!(r#""progressToken":{token}"#)), told, "{text}");
    }
}

#[tokio::test]
async fn the_answer_to_a_held_call_is_not_compressed() {
    let backend = RawBackend::start(ANSWER, true).await;
    let (world, alice) = world(&backend).await;
    // Nothing is hidden from this user, so nothing else makes us read the answer.
    world.open("t");
    let response = held(&world, &alice).await;
    enter(&world, &permit(&world, &alice)).await;
    assert_eq!(end(response).await["result"], json!({}));
    let seen = backend.seen();
    assert!(seen.contains("accept-encoding: identity") && !seen.contains("gzip"), "{seen}");
}

#[tokio::test]
async fn a_held_call_of_a_client_that_takes_no_events_is_answered_in_json() {
    let backend = RawBackend::start(ANSWER, true).await;
    let (world, alice) = world(&backend).await;
    let state = state(&world, &alice).await;
    let mut request = again(&world, &alice, &state, "accept").build().unwrap();
    request.headers_mut().insert("accept", "application/json".parse().unwrap());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let waiting = tokio::spawn(client.execute(request));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished() && backend.seen().is_empty());
    enter(&world, &permit(&world, &alice)).await;
    let response = tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap();
    let response = response.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/json");
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer, json!({ "jsonrpc": "2.0", "id": 7, "result": {} }));
    assert!(backend.seen().contains("Bearer entered"), "{}", backend.seen());
}

#[tokio::test]
async fn an_encoded_or_unreadable_answer_to_a_held_call_is_refused_in_words() {
    let answers = [
        (
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n\x1f\x01",
            "encoded",
        ),
        (
            "HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\ncontent-length: 3\r\n\r\n<p>",
            "404",
        ),
    ];
    for (answer, words) in answers {
        let backend = RawBackend::start(answer, true).await;
        let (world, alice) = world(&backend).await;
        world.open("t");
        let response = held(&world, &alice).await;
        enter(&world, &permit(&world, &alice)).await;
        let end = end(response).await;
        assert_eq!((&end["id"], &end["error"]["code"]), (&7.into(), &502.into()), "{end}");
        assert!(end["error"]["message"].as_str().unwrap().contains(words), "{end}");
    }
}

#[tokio::test]
async fn a_backends_stream_goes_on_as_it_is_whatever_parameters_its_type_has() {
    let events = ": hi\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n\n";
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: Text/Event-Stream;charset=utf-8\r\ncontent-length:";
    let answer = format!("{head} {}\r\n\r\n{events}", events.len()).leak();
    let backend = RawBackend::start(answer, true).await;
    let (world, alice) = world(&backend).await;
    let response = held(&world, &alice).await;
    enter(&world, &permit(&world, &alice)).await;
    let text = response.text().await.unwrap();
    assert!(text.contains("\n: hi\ndata: {\"jsonrpc\"") && !text.contains("data: data"), "{text}");
}

#[tokio::test]
async fn who_lost_the_right_while_waiting_is_denied() {
    let backend = RawBackend::start(ANSWER, true).await;
    let (world, alice) = world(&backend).await;
    let permit = permit(&world, &alice);
    let response = held(&world, &alice).await;
    let directory = world.directory.load();
    world.directory.replace(Directory::new(directory.tenants().cloned(), Policy::default()));
    enter(&world, &permit).await;
    let end = end(response).await;
    assert_eq!((&end["id"], &end["error"]["code"]), (&7.into(), &403.into()), "{end}");
    assert_eq!(backend.seen(), "");
}

#[tokio::test]
async fn a_scope_that_came_to_be_needed_while_waiting_is_asked_for() {
    let backend = RawBackend::start(ANSWER, true).await;
    let (world, alice) = world(&backend).await;
    let permit = permit(&world, &alice);
    let response = held(&world, &alice).await;
    world.ask_for_scopes(&TenantScopes::new(RequiredScopes::new(["mcp:use"]).unwrap()));
    enter(&world, &permit).await;
    let end = end(response).await;
    assert_eq!((&end["id"], &end["error"]["code"]), (&7.into(), &403.into()), "{end}");
    assert!(end["error"]["message"].as_str().unwrap().contains("mcp:use"), "{end}");
    assert_eq!(backend.seen(), "");
}

#[tokio::test]
async fn a_tool_that_was_closed_while_waiting_is_not_called() {
    let backend = RawBackend::start(ANSWER, true).await;
    let (world, alice) = world(&backend).await;
    let permit = permit(&world, &alice);
    let response = held(&world, &alice).await;
    let rule = Rule::allow("r").with_groups(["g-t"]).with_tenants(["t"]).with_tools(["other"]);
    let policy = Policy::builder().with_rule(rule).build().unwrap();
    let directory = world.directory.load();
    world.directory.replace(Directory::new(directory.tenants().cloned(), policy));
    enter(&world, &permit).await;
    end(response).await;
    let seen = backend.seen();
    assert!(seen.contains("mcp-name") && !seen.contains("whoami"), "{seen}");
}

#[tokio::test]
async fn a_backend_that_moved_while_its_user_waited_is_called_where_it_is() {
    let (before, after) =
        (RawBackend::start(ANSWER, true).await, RawBackend::start(ANSWER, true).await);
    let (world, alice) = world(&before).await;
    let permit = permit(&world, &alice);
    let response = held(&world, &alice).await;
    let templates = Templates::builder()
        .with_variable(Variable::new("KEY".parse().unwrap()))
        .with_header("Authorization", "Bearer ${KEY}");
    let (id, url) = ("t".parse().unwrap(), after.url().parse().unwrap());
    let moved = Tenant::new(id, url, templates.build().unwrap()).unwrap();
    let rule = Rule::allow("r").with_groups(["g-t"]).with_tenants(["t"]);
    let policy = Policy::builder().with_rule(rule).build().unwrap();
    world.directory.replace(Directory::new([moved], policy));
    enter(&world, &permit).await;
    assert_eq!(end(response).await["result"], json!({}));
    assert!(before.seen().is_empty() && after.seen().contains("Bearer entered"));
}

#[tokio::test]
async fn a_token_that_ended_while_waiting_is_worth_nothing() {
    let backend = RawBackend::start(ANSWER, true).await;
    let (world, alice) = world(&backend).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    // Verifiers allow clocks to differ by a minute.
    let alice = alice.with_claim("exp", (now - 56).into());
    let response = held(&world, &alice).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    enter(&world, &permit(&world, &world.user("alice", &["t"]))).await;
    let end = end(response).await;
    assert_eq!((&end["id"], &end["error"]["code"]), (&7.into(), &401.into()), "{end}");
    assert_eq!(backend.seen(), "");
}

#[tokio::test]
async fn one_user_has_few_calls_waiting_at_one_tenant() {
    let backend = RawBackend::start(ANSWER, true).await;
    let (world, alice) = world(&backend).await;
    let mut waiting = Vec::new();
    for _ in 0..4 {
        waiting.push(held(&world, &alice).await);
    }
    let state = state(&world, &alice).await;
    let started = Instant::now();
    let body = json_of(again(&world, &alice, &state, "accept")).await;
    assert_eq!(body["result"]["resultType"], "input_required", "{body}");
    assert!(started.elapsed() < Duration::from_secs(5));
    // Another user still has room, and so has this one when a call is done.
    let bob = world.user("bob", &["t"]);
    held(&world, &bob).await;
    enter(&world, &permit(&world, &alice)).await;
    for response in waiting {
        assert_eq!(end(response).await["result"], json!({}));
    }
    world.secrets.open(&permit(&world, &alice)).remove(&"KEY".parse().unwrap()).await.unwrap();
    held(&world, &alice).await;
}

#[tokio::test]
async fn the_end_of_a_held_call_is_in_the_log() {
    let log = capture_log();
    let backend = RawBackend::start(ANSWER, true).await;
    let world = World::start(&[("heldlog", backend.url())], Limits::default()).await;
    let alice = world.user("alice", &["heldlog"]);
    let request = |state: Option<&str>| {
        let mut params = json!({ "name": "whoami" });
        if let Some(state) = state {
            params["requestState"] = state.into();
            params["inputResponses"] = json!({ "bonafide.credential": { "action": "accept" } });
        }
        let request = modern(&world, &alice, CAPABLE, "tools/call", params);
        let request = request.build().unwrap();
        let mut again = world.request(Method::POST, "heldlog", &alice);
        for name in ["mcp-protocol-version", "mcp-method", "mcp-name", "content-type"] {
            again = again.header(name, &request.headers()[name]);
        }
        again.body(request.body().unwrap().as_bytes().unwrap().to_vec())
    };
    let asked = json_of(request(None)).await;
    let state = asked["result"]["requestState"].as_str().unwrap();
    let response = request(Some(state)).send().await.unwrap();
    world.store(&alice, "heldlog", "key").await;
    end(response).await;
    let text = log.text();
    let ends = |outcome: &str| {
        let outcome = format!("outcome=\"{outcome}\"");
        let served = text.lines().filter(|line| line.contains("bonafide_mcp::access"));
        served.filter(|line| line.contains("heldlog") && line.contains(&outcome)).count()
    };
    assert_eq!((ends("credential_needed"), ends("held"), ends("forwarded")), (1, 1, 1));
}

/// A backend that refuses whatever it is sent, behind these headers.
async fn refused(headers: &[(&str, &str)], assertion: Option<&str>) -> (StatusCode, Vec<bool>) {
    let refusal = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
    let backend = RawBackend::start(refusal, true).await;
    let (world, alice) = world(&backend).await;
    let names = ["KEY", "ACCOUNT", "UNUSED"];
    let mut templates = Templates::builder();
    for name in names {
        let variable = Variable::builder(name.parse().unwrap()).with_secret(name != "ACCOUNT");
        templates = templates.with_variable(variable.with_required(false).build().unwrap());
    }
    let templates =
        headers.iter().fold(templates, |all, (name, value)| all.with_header(name, value));
    let url = backend.url().parse().unwrap();
    let mut tenant = Tenant::new("t".parse().unwrap(), url, templates.build().unwrap()).unwrap();
    if let Some(header) = assertion {
        tenant = tenant.with_assertion(header.parse().unwrap()).unwrap();
    }
    let rule = Rule::allow("r").with_groups(["g-t"]).with_tenants(["t"]);
    let policy = Policy::builder().with_rule(rule).build().unwrap();
    world.directory.replace(Directory::new([tenant], policy));
    let permit = permit(&world, &alice);
    let names = names.map(|name| name.parse().unwrap());
    for name in &names {
        world.secrets.open(&permit).write(name, "stored".into()).await.unwrap();
    }
    let request = world.request(Method::POST, "t", &alice).json(&call("whoami"));
    let status = request.send().await.unwrap().status();
    let stored = world.secrets.open(&permit).status(&names).await.unwrap();
    (status, stored.iter().map(|status| status.refused_at().is_some()).collect())
}

#[tokio::test]
async fn only_a_secret_that_was_sent_is_marked_as_refused() {
    let sent = [("Authorization", "Bearer ${KEY}"), ("X-Account", "${ACCOUNT}")];
    assert_eq!(refused(&sent, None).await, (StatusCode::OK, vec![true, false, false]));
    let sent = [("X-Api-Key", "${KEY}"), ("X-Account", "${ACCOUNT}")];
    let marked = refused(&sent, Some("x-assertion")).await;
    assert_eq!(marked, (StatusCode::OK, vec![true, false, false]));
}

#[tokio::test]
async fn a_refusal_of_the_gateways_own_assertion_is_not_the_users() {
    let sent = [("X-Api-Key", "${KEY}")];
    let marked = refused(&sent, Some("authorization")).await;
    assert_eq!(marked, (StatusCode::BAD_GATEWAY, vec![false, false, false]));
}
