//! Asking for a credential by a page that the client opens.

use std::time::{Duration, Instant, SystemTime};

use bonafide_mcp::{Limits, LinkError, LinkSealer};
use bonafide_testkit::{McpBackend, User};
use bonafide_tests::{RawBackend, World, call};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

pub(crate) const CAPABLE: &str = r#"{"elicitation":{"form":{},"url":{}}}"#;

/// A message of revision 2026-07-28.
pub(crate) fn modern(
    world: &World,
    user: &User,
    capabilities: &str,
    method: &str,
    mut params: Value,
) -> RequestBuilder {
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    params["_meta"]["io.modelcontextprotocol/clientInfo"] =
        json!({ "name": "test", "version": "1" });
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        serde_json::from_str(capabilities).unwrap();
    let name = params["name"].as_str().unwrap().to_owned();
    world
        .request(Method::POST, "t", user)
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method)
        .header("mcp-name", name)
        .json(&json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }))
}

pub(crate) fn whoami(world: &World, user: &User, capabilities: &str) -> RequestBuilder {
    modern(world, user, capabilities, "tools/call", json!({ "name": "whoami", "arguments": {} }))
}

/// The same again, with what was asked for.
pub(crate) fn again(world: &World, user: &User, state: &str, action: &str) -> RequestBuilder {
    modern(
        world,
        user,
        CAPABLE,
        "tools/call",
        json!({
            "name": "whoami", "arguments": {}, "requestState": state,
            "inputResponses": { "bonafide.credential": { "action": action } },
            "_meta": { "progressToken": "p" },
        }),
    )
}

pub(crate) async fn json_of(request: RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.json().await.unwrap()
}

/// The messages in the events of a stream.
pub(crate) fn messages(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| !data.trim().is_empty())
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

async fn real(limits: Limits) -> (McpBackend, World, User) {
    let backend = McpBackend::start().await;
    let world = World::start(&[("t", backend.url())], limits).await;
    let alice = world.user("alice", &["t"]);
    (backend, world, alice)
}

fn assert_link(world: &World, url: &str, user: &User) {
    let token = url.strip_prefix(&world.url("/connections/t?e=")).unwrap();
    assert!(!token.contains("alice"), "{token}");
    let links = LinkSealer::new(world.secrets.sealer().keyring()).unwrap();
    let tenant = "t".parse().unwrap();
    let now = SystemTime::now();
    assert_eq!(links.check(token, user.verified().id(), &tenant, now), Ok(()));
    let bob = world.user("bob", &["t"]).verified();
    assert_eq!(links.check(token, bob.id(), &tenant, now), Err(LinkError::OtherUser));
}

#[tokio::test]
async fn a_client_that_can_is_sent_to_the_page_and_its_call_goes_on_when_the_key_is_there() {
    let (_backend, world, alice) = real(Limits::default()).await;
    let asked = json_of(whoami(&world, &alice, CAPABLE)).await;
    assert_eq!(
        (&asked["id"], &asked["result"]["resultType"]),
        (&7.into(), &"input_required".into())
    );
    let request = &asked["result"]["inputRequests"]["bonafide.credential"];
    assert_eq!(
        (&request["method"], &request["params"]["mode"]),
        (&"elicitation/create".into(), &"url".into())
    );
    assert_link(&world, request["params"]["url"].as_str().unwrap(), &alice);
    // No link in the text, and no `elicitationId` any more.
    assert!(!request["params"]["message"].as_str().unwrap().contains("http"));
    assert!(request["params"].get("elicitationId").is_none());

    let state = asked["result"]["requestState"].as_str().unwrap();
    let response = again(&world, &alice, state, "accept").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let waiting = tokio::spawn(response.text());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished());
    world.store(&alice, "t", "entered-key").await;
    let text =
        tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap().unwrap();
    let messages = messages(&text);
    assert_eq!(messages[0]["method"], "notifications/progress", "{text}");
    assert_eq!(messages[0]["params"]["progressToken"], "p");
    let last = messages.last().unwrap();
    assert_eq!(last["id"], 7, "{text}");
    assert!(text.contains("entered-key") && !text.contains("requestState"), "{text}");
}

#[tokio::test]
async fn what_is_ours_is_not_sent_to_the_backend() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 36\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}";
    let backend = RawBackend::start(answer, true).await;
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    let alice = world.user("alice", &["t"]);
    let asked = json_of(whoami(&world, &alice, CAPABLE)).await;
    let state = asked["result"]["requestState"].as_str().unwrap();
    world.store(&alice, "t", "key").await;
    // The key is there: no stream, no waiting.
    let body = json_of(again(&world, &alice, state, "accept")).await;
    assert_eq!(body, json!({ "jsonrpc": "2.0", "id": 7, "result": {} }));
    let seen = backend.seen();
    assert!(!seen.contains("requestState") && !seen.contains("inputResponses"), "{seen}");
    assert!(seen.contains(r#""name":"whoami""#) && seen.contains("progressToken"), "{seen}");
}

#[tokio::test]
async fn a_state_of_somebody_else_or_of_another_request_is_refused() {
    let (_backend, world, alice) = real(Limits::default()).await;
    let bob = world.user("bob", &["t"]);
    world.store(&bob, "t", "bobs-key").await;
    let asked = json_of(whoami(&world, &alice, CAPABLE)).await;
    let state = asked["result"]["requestState"].as_str().unwrap();
    let other = modern(
        &world,
        &alice,
        CAPABLE,
        "tools/call",
        json!({
        "name": "whoami", "arguments": { "x": 1 }, "requestState": state }),
    );
    for request in [again(&world, &bob, state, "accept"), other] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let body: Value = response.json().await.unwrap();
        assert_eq!((&body["id"], &body["error"]["code"]), (&7.into(), &(-32602).into()));
    }
}

#[tokio::test]
async fn who_does_not_enter_it_is_asked_again_and_who_declines_is_not() {
    let (_backend, world, alice) =
        real(Limits::default().with_credential_time(Duration::from_millis(100))).await;
    let asked = json_of(whoami(&world, &alice, CAPABLE)).await;
    let state = asked["result"]["requestState"].as_str().unwrap();
    let started = Instant::now();
    let text = again(&world, &alice, state, "accept").send().await.unwrap().text().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(5));
    let last = messages(&text).pop().unwrap();
    assert_eq!(last["result"]["resultType"], "input_required", "{text}");
    assert_ne!(last["result"]["requestState"].as_str().unwrap(), state);
    for action in ["decline", "cancel"] {
        let body = json_of(again(&world, &alice, state, action)).await;
        assert_eq!(
            (&body["result"]["isError"], &body["result"]["resultType"]),
            (&true.into(), &"complete".into())
        );
    }
}

#[tokio::test]
async fn a_client_that_can_only_show_forms_gets_words() {
    let (_backend, world, alice) = real(Limits::default()).await;
    for capabilities in [
        "{}",
        r#"{"elicitation":{}}"#,
        r#"{"elicitation":{"form":{}}}"#,
        r#"{"elicitation":{"url":null}}"#,
    ] {
        let body = json_of(whoami(&world, &alice, capabilities)).await;
        assert_eq!(body["result"]["isError"], true, "{capabilities}");
        assert!(body["result"]["content"][0]["text"].as_str().unwrap().contains("/connections/t "));
    }
}

#[tokio::test]
async fn a_session_remembers_that_its_client_can() {
    let (_backend, world, alice) = real(Limits::default()).await;
    let initialize = |capabilities: &str| {
        let capabilities: Value = serde_json::from_str(capabilities).unwrap();
        world.request(Method::POST, "t", &alice).json(&json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
                "protocolVersion": "2025-11-25", "capabilities": capabilities,
                "clientInfo": { "name": "test", "version": "1" } } }))
    };
    // Already when there is no session yet.
    let body = json_of(initialize(CAPABLE)).await;
    assert_eq!(body["error"]["code"], -32042);
    let body = json_of(initialize("{}")).await;
    assert!(body["result"]["instructions"].is_string(), "{body}");

    for (capabilities, can) in [(CAPABLE, true), ("{}", false)] {
        world.store(&alice, "t", "key").await;
        let response = initialize(capabilities).send().await.unwrap();
        let session = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        let permit = world
            .directory
            .load()
            .policy()
            .permit(&alice.verified(), &"t".parse().unwrap())
            .unwrap();
        world.secrets.open(&permit).remove(&"KEY".parse().unwrap()).await.unwrap();
        let request = world.call("t", &alice, "whoami").header("mcp-session-id", &session);
        let body = json_of(request).await;
        if can {
            let elicitation = &body["error"]["data"]["elicitations"][0];
            assert_eq!(
                (&body["error"]["code"], &elicitation["mode"]),
                (&(-32042).into(), &"url".into())
            );
            assert_link(&world, elicitation["url"].as_str().unwrap(), &alice);
            assert!(elicitation["elicitationId"].as_str().unwrap().len() >= 20);
            assert!(!elicitation["message"].as_str().unwrap().is_empty());
        } else {
            assert_eq!(body["result"]["isError"], true, "{body}");
        }
    }
}

#[tokio::test]
async fn a_refused_credential_is_marked_and_asked_for_again() {
    for refusal in [
        "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer realm=\"theirs\"\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\nwww-authenticate: Bearer error=\"insufficient_scope\"\r\ncontent-length: 0\r\n\r\n",
    ] {
        let backend = RawBackend::start(refusal, true).await;
        let limits = Limits::default().with_credential_time(Duration::from_millis(100));
        let world = World::start(&[("t", backend.url())], limits).await;
        let alice = world.user("alice", &["t"]);
        world.store(&alice, "t", "stale").await;
        let asked = json_of(whoami(&world, &alice, CAPABLE)).await;
        assert_eq!(asked["result"]["resultType"], "input_required");
        let permit = world
            .directory
            .load()
            .policy()
            .permit(&alice.verified(), &"t".parse().unwrap())
            .unwrap();
        let status = world.secrets.open(&permit).status(&["KEY".parse().unwrap()]).await.unwrap();
        assert!(status[0].refused_at().is_some());
        // Unchanged, it is not tried again.
        let before = backend.seen().len();
        let state = asked["result"]["requestState"].as_str().unwrap();
        let text =
            again(&world, &alice, state, "accept").send().await.unwrap().text().await.unwrap();
        assert!(text.contains("input_required"), "{text}");
        assert_eq!(backend.seen().len(), before);
        // A new one is.
        world.store(&alice, "t", "fresh").await;
        again(&world, &alice, state, "accept").send().await.unwrap();
        assert!(backend.seen().contains("Bearer fresh"));
        let body = json_of(world.call("t", &alice, "whoami")).await;
        assert!(body["result"]["content"][0]["text"].as_str().unwrap().contains("refused"));
    }
}

#[tokio::test]
async fn a_plain_403_of_a_backend_is_its_own_business() {
    let answer =
        "HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    let backend = RawBackend::start(answer, true).await;
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", "key").await;
    let response =
        world.request(Method::POST, "t", &alice).json(&call("whoami")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(response.text().await.unwrap(), "{}");
}

/// Whoever can only show forms is told what their client would need; `tools/call` has words for the model instead.
#[tokio::test]
async fn prompts_and_resources_are_asked_about_as_calls_are() {
    let backend = McpBackend::start().await;
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    let alice = world.user("alice", &["t"]);
    let link = world.url("/connections/t");
    for method in ["prompts/get", "resources/read"] {
        let params = || json!({ "name": "docs://a", "uri": "docs://a" });
        let ask = |capabilities| modern(&world, &alice, capabilities, method, params()).send();
        let able = ask(CAPABLE).await.unwrap();
        assert_eq!(able.status(), StatusCode::OK, "{method}");
        let body: Value = able.json().await.unwrap();
        assert_eq!(body["result"]["resultType"], "input_required", "{body}");
        let forms = ask(r#"{"elicitation":{"form":{}}}"#).await.unwrap();
        assert_eq!(forms.status(), StatusCode::BAD_REQUEST, "{method}");
        let body: Value = forms.json().await.unwrap();
        assert_eq!(body["error"]["code"], -32021, "{body}");
        assert!(body["error"]["message"].as_str().unwrap().contains(&link), "{body}");
    }
}
