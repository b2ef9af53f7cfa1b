//! Who sees which tools, prompts and resources, and what is said of the others.

use std::time::Duration;

use bonafide_headers::Templates;
use bonafide_mcp::{Directory, Limits, Tenant};
use bonafide_policy::{Policy, Rule};
use bonafide_testkit::{McpBackend, User};
use bonafide_tests::{RawBackend, World, call, capture_log};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

const TOOLS: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"whoami"},{"name":"delete_all"}],"nextCursor":"c"}}"#;

/// A message of revision 2026-07-28, with the headers that it needs.
fn modern(world: &World, user: &User, method: &str, mut params: Value) -> RequestBuilder {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let name = params.get("name").or(params.get("uri")).and_then(Value::as_str).map(str::to_owned);
    let request = world
        .request(Method::POST, "t", user)
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method)
        .json(&json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }));
    match name {
        Some(name) => request.header("mcp-name", name),
        None => request,
    }
}

/// A session of revision 2025-11-25: what it takes to send messages in it.
async fn session(world: &World, user: &User) -> String {
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" } } });
    let response = world.request(Method::POST, "t", user).json(&initialize).send().await.unwrap();
    let id = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let request = world.request(Method::POST, "t", user).header("mcp-session-id", &id);
    request.json(&initialized).send().await.unwrap();
    id
}

fn legacy(world: &World, user: &User, session: &str, message: &Value) -> RequestBuilder {
    let request = world.request(Method::POST, "t", user).header("mcp-session-id", session);
    request.header("mcp-protocol-version", "2025-11-25").json(message)
}

/// Status, type and body, in which `name` is only a name, and the events of a session have no numbers.
async fn answer(request: RequestBuilder, name: &str) -> (StatusCode, String, String) {
    let response = request.send().await.unwrap();
    let media_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    let status = response.status();
    let text = response.text().await.unwrap().replace(name, "NAME");
    let lines = text.lines().filter(|line| !line.starts_with("id:"));
    (status, media_type, lines.collect::<Vec<_>>().join("\n"))
}

async fn real() -> (McpBackend, World, User) {
    let backend = McpBackend::start().await;
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", "key").await;
    (backend, world, alice)
}

async fn raw(response: &'static str, limits: Limits) -> (RawBackend, World, User) {
    raw_bytes(response.as_bytes(), limits).await
}

async fn raw_bytes(response: &'static [u8], limits: Limits) -> (RawBackend, World, User) {
    let backend = RawBackend::start_bytes(response, true).await;
    let world = World::start(&[("t", backend.url())], limits).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", "key").await;
    (backend, world, alice)
}

/// A response with this body, kept for as long as the process runs.
fn http(head: &str, body: &str) -> &'static str {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\n{head}content-length: {length}\r\n\r\n{body}").leak()
}

const JSON: &str = "content-type: application/json\r\n";
const EVENTS: &str = "content-type: text/event-stream\r\n";

#[tokio::test]
async fn a_denied_tool_is_not_listed_in_either_era() {
    let (_backend, world, alice) = real().await;
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
    let id = session(&world, &alice).await;
    for request in
        [legacy(&world, &alice, &id, &list), modern(&world, &alice, "tools/list", json!({}))]
    {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let text = response.text().await.unwrap();
        assert!(text.contains("whoami") && !text.contains("delete_everything"), "{text}");
    }
}

#[tokio::test]
async fn a_hidden_tool_is_answered_like_one_that_is_not_there() {
    let (_backend, world, alice) = real().await;
    let id = session(&world, &alice).await;
    for (hidden, absent) in [("delete_everything", "remove_everything"), ("delete_x", "x")] {
        let one = answer(legacy(&world, &alice, &id, &call(hidden)), hidden).await;
        let other = answer(legacy(&world, &alice, &id, &call(absent)), absent).await;
        assert!(one.2.contains("tool not found"), "{one:?}");
        assert_eq!(one, other);
        let one = modern(&world, &alice, "tools/call", json!({ "name": hidden }));
        let other = modern(&world, &alice, "tools/call", json!({ "name": absent }));
        assert_eq!(answer(one, hidden).await, answer(other, absent).await);
    }
}

#[tokio::test]
async fn the_name_of_a_denied_tool_does_not_reach_the_backend() {
    let (backend, world, alice) = raw(http(JSON, TOOLS), Limits::default()).await;
    modern(
        &world,
        &alice,
        "tools/call",
        json!({ "name": "delete_all", "arguments": { "x": "kept" } }),
    )
    .send()
    .await
    .unwrap();
    let seen = backend.seen();
    assert!(seen.contains("kept") && !seen.contains("delete_all"), "{seen}");
    let header = seen.lines().find_map(|line| line.strip_prefix("mcp-name: ")).unwrap();
    assert_eq!(seen.matches(header).count(), 2, "header and body name the same: {seen}");
}

#[tokio::test]
async fn the_backends_words_about_a_denied_tool_name_what_the_client_sent() {
    use axum::{Json, Router, routing::post};
    let echo = async |Json(message): Json<Value>| {
        let text = format!("Unknown tool: {}", message["params"]["name"].as_str().unwrap());
        Json(
            json!({ "jsonrpc": "2.0", "id": message["id"], "error": { "code": -32602, "message": text } }),
        )
    };
    let server = bonafide_testkit::Server::start(Router::new().route("/mcp", post(echo))).await;
    let tenants = [("t", format!("{}/mcp", server.origin()))];
    let world = World::start(&tenants, Limits::default()).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", "key").await;
    for tool in ["delete_it", "delete_\"it\"", "absent"] {
        let body: Value = world.call("t", &alice, tool).send().await.unwrap().json().await.unwrap();
        assert_eq!(body["error"]["message"], format!("Unknown tool: {tool}"));
    }
}

#[tokio::test]
async fn a_list_is_filtered_wherever_it_arrives() {
    let event = format!("id: 4\ndata: {TOOLS}\n\n");
    for (method, head, body) in [
        (Method::POST, JSON, TOOLS),
        (Method::POST, EVENTS, &*event),
        (Method::GET, EVENTS, &*event),
    ] {
        let (_backend, world, alice) = raw(http(head, body), Limits::default()).await;
        // The answer to another request than the one that asked for the list.
        let request = match method {
            Method::POST => world.call("t", &alice, "whoami"),
            _ => world.request(method, "t", &alice).header("last-event-id", "3"),
        };
        let text = request.send().await.unwrap().text().await.unwrap();
        assert!(text.contains(r#"[{"name":"whoami"}],"nextCursor":"c""#), "{text}");
        assert!(!text.contains("delete_all"), "{text}");
    }
}

#[tokio::test]
async fn a_list_that_can_not_be_looked_at_is_not_passed_on() {
    let gzip = format!("{JSON}content-encoding: gzip\r\n");
    let list = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" });
    let small = Limits::default().with_filtered_answer(64);
    for (response, limits, why) in [
        (http(&gzip, TOOLS), Limits::default(), "not MCP"),
        (http(JSON, "{\"result\":NaN}"), Limits::default(), "not MCP"),
        (http(JSON, TOOLS), small, "more than the 64 bytes that can be filtered"),
    ] {
        let (backend, world, alice) = raw(response, limits).await;
        let request =
            world.request(Method::POST, "t", &alice).header("accept-encoding", "gzip, br");
        let response = request.json(&list).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        let body: Value = response.json().await.unwrap();
        assert!(body["error"]["message"].as_str().unwrap().contains(why), "{body}");
        assert!(backend.seen().contains("accept-encoding: identity\r\n"), "{}", backend.seen());
    }
    let event = http(EVENTS, format!("data: {TOOLS}\n\n").leak());
    let (_backend, world, alice) = raw(event, small).await;
    let answer =
        async { world.request(Method::POST, "t", &alice).json(&list).send().await?.text().await };
    let broken = tokio::time::timeout(Duration::from_secs(5), answer).await.unwrap();
    assert!(broken.is_err(), "{broken:?}");
}

#[tokio::test]
async fn a_user_of_all_tools_gets_answers_as_they_come() {
    let (backend, world, alice) = raw(http(JSON, TOOLS), Limits::default()).await;
    restrict(&world, &backend, &["*"]);
    let list = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" });
    let request = world.request(Method::POST, "t", &alice).header("accept-encoding", "gzip");
    assert_eq!(request.json(&list).send().await.unwrap().text().await.unwrap(), TOOLS);
    assert!(backend.seen().contains("accept-encoding: gzip"), "{}", backend.seen());
    // But others may not be served from what they got.
    let text = modern(&world, &alice, "tools/list", json!({})).send().await.unwrap();
    let body: Value = text.json().await.unwrap();
    assert_eq!(body["result"]["cacheScope"], "private");
    assert_eq!(body["result"]["tools"].as_array().unwrap().len(), 2);
}

/// Puts a policy in force that lets everybody of the tenant's group use these tools.
fn restrict(world: &World, backend: &RawBackend, tools: &[&str]) {
    let rule = Rule::allow("some").with_groups(["g-t"]).with_tenants(["t"]);
    let rule = rule.with_tools(tools.iter().copied());
    let policy = Policy::builder().with_rule(rule).build().unwrap();
    let url = backend.url().parse().unwrap();
    let tenant = Tenant::new("t".parse().unwrap(), url, Templates::builder().build().unwrap());
    world.directory.replace(Directory::new([tenant.unwrap()], policy));
}

#[tokio::test]
async fn prompts_and_resources_need_a_rule_of_their_own() {
    let lists = r#"{"jsonrpc":"2.0","id":7,"result":{
        "prompts":[{"name":"hello"},{"name":"secret"}],
        "resources":[{"uri":"docs://a"},{"uri":"db://secret"}],
        "resourceTemplates":[{"uriTemplate":"docs://{x}"},{"uriTemplate":"db://secret/{x}"}]}}"#;
    let (backend, world, alice) = raw(http(JSON, lists), Limits::default()).await;
    restrict(&world, &backend, &["read_*", "prompts/hello", "resources/docs://*"]);
    let list = json!({ "jsonrpc": "2.0", "id": 7, "method": "prompts/list" });
    let response = world.request(Method::POST, "t", &alice).json(&list).send().await.unwrap();
    let text = response.text().await.unwrap();
    assert!(
        text.contains("hello") && text.contains("docs://{x}") && !text.contains("secret"),
        "{text}"
    );

    let asked = [
        ("prompts/get", json!({ "name": "hello" }), true),
        ("prompts/get", json!({ "name": "secret" }), false),
        ("resources/read", json!({ "uri": "docs://b" }), true),
        ("resources/read", json!({ "uri": "db://secret" }), false),
        ("resources/subscribe", json!({ "uri": "db://secret" }), false),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "secret" } }),
            false,
        ),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/resource", "uri": "docs://{x}" } }),
            true,
        ),
        (
            "subscriptions/listen",
            json!({ "notifications": { "resourceSubscriptions": ["db://secret"] } }),
            false,
        ),
    ];
    for (method, params, allowed) in asked {
        let before = backend.seen().len();
        let message = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        world.request(Method::POST, "t", &alice).json(&message).send().await.unwrap();
        let seen = backend.seen().split_off(before);
        assert!(seen.contains(method), "{seen}");
        assert_eq!(seen.contains(&params.to_string()), allowed, "{method} {params}: {seen}");
        assert!(!seen.contains("secret"), "{seen}");
    }
    let nameless =
        json!({ "jsonrpc": "2.0", "id": 7, "method": "prompts/get", "params": { "name": 5 } });
    let response = world.request(Method::POST, "t", &alice).json(&nameless).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_uri_with_another_spelling_is_not_covered() {
    let listed = r#"{"jsonrpc":"2.0","id":7,"result":{"resources":[
        {"uri":"file:///pub/a"},{"uri":"file:///pub/../secret"},{"uri":"FILE:///pub/secret"}]}}"#;
    let (backend, world, alice) = raw(http(JSON, listed), Limits::default()).await;
    restrict(&world, &backend, &["resources/file:///pub/*"]);
    let list = json!({ "jsonrpc": "2.0", "id": 7, "method": "resources/list" });
    let response = world.request(Method::POST, "t", &alice).json(&list).send().await.unwrap();
    let text = response.text().await.unwrap();
    assert!(text.contains("file:///pub/a") && !text.contains("secret"), "{text}");
    for uri in ["file:///pub/../secret", "file:///pub/%2E%2E/secret", "file:///pub/%73ecret"] {
        let before = backend.seen().len();
        modern(&world, &alice, "resources/read", json!({ "uri": uri })).send().await.unwrap();
        let seen = backend.seen().split_off(before);
        assert!(seen.contains("resources/read") && !seen.contains("ecret"), "{seen}");
    }
}

#[tokio::test]
async fn a_rule_that_denies_a_uri_holds_for_other_spellings_of_it() {
    let (backend, world, alice) = raw(http(JSON, TOOLS), Limits::default()).await;
    let allow = Rule::allow("all").with_groups(["g-t"]).with_tenants(["t"]);
    let deny = Rule::deny("no").with_tenants(["t"]).with_tools(["resources/file:///secret/*"]);
    let policy = Policy::builder().with_rule(allow).with_rule(deny).build().unwrap();
    let directory = world.directory.load();
    world.directory.replace(Directory::new(directory.tenants().cloned(), policy));
    for uri in ["FILE:///secret/x", "file:///%73ecret/x", "file:///a/../secret/x"] {
        let before = backend.seen().len();
        modern(&world, &alice, "resources/read", json!({ "uri": uri })).send().await.unwrap();
        let seen = backend.seen().split_off(before);
        assert!(seen.contains("resources/read") && !seen.contains("ecret"), "{seen}");
    }
}

#[tokio::test]
async fn a_message_names_so_much_and_no_more() {
    let log = capture_log();
    let (backend, world, alice) = raw(http(JSON, TOOLS), Limits::default()).await;
    restrict(&world, &backend, &["read_*"]);
    for (count, status) in [(256, StatusCode::OK), (257, StatusCode::BAD_REQUEST)] {
        let before = backend.seen().len();
        let uris: Vec<String> = (0..count).map(|number| format!("docs://{number}")).collect();
        let params = json!({ "notifications": { "resourceSubscriptions": uris } });
        let listen = modern(&world, &alice, "subscriptions/listen", params);
        let response = listen.send().await.unwrap();
        assert_eq!(response.status(), status, "{count}");
        if status == StatusCode::BAD_REQUEST {
            let body: Value = response.json().await.unwrap();
            assert_eq!(body["error"]["code"], -32602);
            assert!(body["error"]["message"].as_str().unwrap().contains("256"), "{body}");
            assert_eq!(backend.seen().len(), before);
        }
    }
    // One line for all of them.
    assert_eq!(log.text().matches("names=256").count(), 1);
}

#[tokio::test]
async fn a_method_that_nobody_knows_is_not_for_a_user_of_some_tools() {
    let (backend, world, alice) = raw(http(JSON, TOOLS), Limits::default()).await;
    let before = backend.seen().len();
    let vendor = json!({ "jsonrpc": "2.0", "id": 7, "method": "vendor/run", "params": { "name": "delete_all" } });
    let old = world.request(Method::POST, "t", &alice).json(&vendor).send().await.unwrap();
    let new = modern(&world, &alice, "vendor/run", json!({})).send().await.unwrap();
    for (response, status) in [(old, StatusCode::OK), (new, StatusCode::NOT_FOUND)] {
        assert_eq!(response.status(), status);
        let body: Value = response.json().await.unwrap();
        assert_eq!((&body["id"], &body["error"]["code"]), (&7.into(), &(-32601).into()));
    }
    let told = json!({ "jsonrpc": "2.0", "method": "notifications/vendor" });
    let response = world.request(Method::POST, "t", &alice).json(&told).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert_eq!(backend.seen().len(), before);
    // What the specification has goes on, and so does everything of a user of all tools.
    let ping = json!({ "jsonrpc": "2.0", "id": 7, "method": "ping" });
    world.request(Method::POST, "t", &alice).json(&ping).send().await.unwrap();
    assert!(backend.seen().contains("ping"));
    world.open("t");
    world.request(Method::POST, "t", &alice).json(&vendor).send().await.unwrap();
    assert!(backend.seen().contains("vendor/run"));
}

#[tokio::test]
async fn what_tells_of_the_whole_list_does_not_come_with_a_part_of_it() {
    let head = "content-type: application/json\r\netag: \"whole\"\r\nlast-modified: whole\r\n\
        content-digest: whole\r\nrepr-digest: whole\r\nx-kept: 1\r\n";
    let (_backend, world, alice) = raw(http(head, TOOLS), Limits::default()).await;
    let list = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" });
    let response = world.request(Method::POST, "t", &alice).json(&list).send().await.unwrap();
    let headers = response.headers().clone();
    assert_eq!(headers["x-kept"], "1");
    assert!(
        !headers.values().any(|value| value.to_str().unwrap().contains("whole")),
        "{headers:?}"
    );
}

#[tokio::test]
async fn a_list_that_is_encoded_all_the_same_is_undone_and_filtered() {
    let list = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" });
    for (head, text) in [(JSON, TOOLS.to_owned()), (EVENTS, format!("data: {TOOLS}\n\n"))] {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
        let zstd = zstd::encode_all(text.as_bytes(), 3).unwrap();
        for (coding, body) in [("gzip", gzip.finish().unwrap()), ("zstd", zstd)] {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\n{head}content-encoding: {coding}\r\ncontent-length: {length}\r\n\r\n"
            );
            let answer = [head.as_bytes(), &body].concat();
            let (_backend, world, alice) = raw_bytes(answer.leak(), Limits::default()).await;
            let request = world.request(Method::POST, "t", &alice).json(&list);
            let response = request.send().await.unwrap();
            assert!(!response.headers().contains_key("content-encoding"));
            let told = response.text().await.unwrap();
            assert!(told.contains(r#"[{"name":"whoami"}],"nextCursor":"c""#), "{told}");
            assert!(!told.contains("delete_all"), "{told}");
        }
    }
}
