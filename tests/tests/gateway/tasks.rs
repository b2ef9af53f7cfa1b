//! Tasks belong to the user who began them, whatever the backend thinks of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use axum::{Json, Router};
use bonafide_mcp::{Directory, Limits};
use bonafide_policy::{Policy, Rule};
use bonafide_testkit::{Server, User};
use bonafide_tests::World;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

const RELATED: &str = "io.modelcontextprotocol/related-task";

/// A backend that runs tasks for anybody, and shows them to anybody who names one.
struct Backend {
    server: Server,
    state: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    tasks: Vec<String>,
    messages: Vec<Value>,
    names: Vec<String>,
    encodings: Vec<String>,
}

type Shared = State<Arc<Mutex<Seen>>>;

impl Backend {
    async fn start() -> Self {
        let state = Arc::new(Mutex::new(Seen::default()));
        let router = Router::new().route("/mcp", post(answer).get(stream));
        let server = Server::start(router.with_state(Arc::clone(&state))).await;
        Self { server, state }
    }

    fn url(&self) -> String {
        format!("{}/mcp", self.server.origin())
    }

    fn last(&self) -> Value {
        self.state.lock().unwrap().messages.last().unwrap().clone()
    }

    fn count(&self) -> usize {
        self.state.lock().unwrap().messages.len()
    }
}

async fn answer(State(state): Shared, headers: HeaderMap, Json(message): Json<Value>) -> Response {
    if let Some(milliseconds) = message["params"]["_meta"]["takes"].as_u64() {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    let mut state = state.lock().unwrap();
    let text = |name: &str| {
        let value = headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        value.unwrap_or_default()
    };
    state.names.push(text("mcp-name"));
    state.encodings.push(text("accept-encoding"));
    state.messages.push(message.clone());
    let params = &message["params"];
    let id = params["taskId"].as_str().unwrap_or_default().to_owned();
    let known = state.tasks.contains(&id);
    let task = |id: &str, status: &str| json!({ "taskId": id, "status": status, "ttl": null });
    let result = match message["method"].as_str().unwrap_or_default() {
        "initialize" => json!({ "capabilities": { "tools": {}, "tasks": {
            "list": {}, "cancel": {}, "requests": { "tools": { "call": {} } } } } }),
        "tools/call" if params["name"] == "plain" => {
            return raw("application/json", PLAIN.to_owned());
        }
        "tools/call" if params["name"] == "long" => {
            return raw("application/json", long());
        }
        "tools/call" => {
            let id = format!("task-{}-größe", state.tasks.len());
            state.tasks.push(id.clone());
            match params["task"].is_object() {
                true => json!({ "task": task(&id, "working") }),
                false => json!({ "resultType": "task", "taskId": id, "status": "working" }),
            }
        }
        "tasks/get" if known => {
            json!({ "resultType": "complete", "taskId": id, "status": "completed",
            "result": { "content": [], "_meta": { RELATED: { "taskId": id } } } })
        }
        "tasks/result" if known => json!({ "content": [], "_meta": { RELATED: { "taskId": id } } }),
        "tasks/cancel" if known => task(&id, "cancelled"),
        "tasks/update" if known => json!({ "resultType": "complete" }),
        "tasks/list" => {
            let tasks: Vec<_> = state.tasks.iter().map(|id| task(id, "working")).collect();
            json!({ "tasks": tasks, "nextCursor": "c" })
        }
        "subscriptions/listen" => {
            let ids = params["notifications"]["taskIds"].as_array().unwrap();
            let acknowledged = json!({ "jsonrpc": "2.0",
                "method": "notifications/subscriptions/acknowledged",
                "params": { "notifications": { "taskIds": ids } } });
            let told = ids.iter().map(|id| {
                json!({ "jsonrpc": "2.0", "method": "notifications/tasks",
                    "params": { "taskId": id, "status": "working" } })
            });
            return events(std::iter::once(acknowledged).chain(told));
        }
        _ => {
            let error = json!({ "code": -32602, "message": format!("no {id} here") });
            return raw(
                "application/json",
                json!({ "jsonrpc": "2.0", "id": message["id"], "error": error }).to_string(),
            );
        }
    };
    let message = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
    match params["name"] == "streamed" || params["_meta"]["streamed"] == true {
        true => events([message]),
        false => raw("application/json", message.to_string()),
    }
}

/// A standing stream: a word about each task, a question because of each, and a question about a task of the client.
async fn stream(State(state): Shared) -> Response {
    let tasks = state.lock().unwrap().tasks.clone();
    let told = tasks.iter().flat_map(|id| {
        [
            json!({ "jsonrpc": "2.0", "method": "notifications/tasks/status",
                "params": { "taskId": id, "status": "working" } }),
            json!({ "jsonrpc": "2.0", "id": 1, "method": "elicitation/create",
                "params": { "message": "?", "_meta": { RELATED: { "taskId": id } } } }),
        ]
    });
    let of_client = json!({ "jsonrpc": "2.0", "id": 2, "method": "tasks/get",
        "params": { "taskId": "of-the-client" } });
    events(told.chain([of_client]))
}

fn events(messages: impl IntoIterator<Item = Value>) -> Response {
    let events = messages.into_iter().map(|message| format!(": hi\nid: 1\ndata: {message}\n\n"));
    raw("text/event-stream", events.collect())
}

fn raw(media_type: &str, body: String) -> Response {
    let head = Response::builder().header("content-type", media_type).header("etag", "\"x\"");
    head.body(Body::from(body)).unwrap()
}

/// Has nothing to do with tasks, though it has the words.
const PLAIN: &str = r#"{"jsonrpc":"2.0",  "id":7,"result":{"content":[{"type":"text","text":"{\"taskId\":\"task-0\"}"}],"structuredContent":{"taskId":"task-0","task":{"taskId":"x"}}}}"#;

fn long() -> String {
    let text = "x".repeat(300_000);
    json!({ "jsonrpc": "2.0", "id": 7, "result": { "content": [{ "text": text }] } }).to_string()
}

async fn world(backend: &Backend) -> (World, User, User) {
    world_with(backend, Limits::default()).await
}

async fn world_with(backend: &Backend, limits: Limits) -> (World, User, User) {
    let tenants = [("t", backend.url()), ("u", backend.url())];
    let world = World::start(&tenants, limits).await;
    let rules = ["t", "u"].map(|tenant| {
        Rule::allow(tenant).with_groups([format!("g-{tenant}")]).with_tenants([tenant])
    });
    let policy = Policy::builder().with_rules(rules).build().unwrap();
    let directory = world.directory.load();
    world.directory.replace(Directory::new(directory.tenants().cloned(), policy));
    let (alice, bob) = (world.user("alice", &["t", "u"]), world.user("bob", &["t", "u"]));
    for user in [&alice, &bob] {
        world.store(user, "t", "key").await;
        world.store(user, "u", "key").await;
    }
    (world, alice, bob)
}

/// A message of revision 2025-11-25, or of 2026-07-28 from a client that knows tasks.
fn send(
    world: &World,
    tenant: &str,
    user: &User,
    modern: bool,
    method: &str,
    mut params: Value,
) -> RequestBuilder {
    let request = world.request(Method::POST, tenant, user);
    if !modern {
        return request
            .header("mcp-protocol-version", "2025-11-25")
            .json(&json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }));
    }
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    let name = params.get("name").or(params.get("taskId")).and_then(Value::as_str);
    let name = name.map(|name| match name.is_ascii() {
        true => name.to_owned(),
        false => {
            use base64::Engine as _;
            format!("=?base64?{}?=", base64::prelude::BASE64_STANDARD.encode(name))
        }
    });
    let request = request
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method)
        .json(&json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }));
    match name {
        Some(name) => request.header("mcp-name", name),
        None => request,
    }
}

async fn json_of(request: RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.json().await.unwrap()
}

/// The messages of an event stream.
async fn messages(request: RequestBuilder) -> Vec<Value> {
    let text = request.send().await.unwrap().text().await.unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

/// The methods about one task.
fn methods(modern: bool) -> [&'static str; 3] {
    ["tasks/get", if modern { "tasks/update" } else { "tasks/result" }, "tasks/cancel"]
}

fn run(modern: bool) -> Value {
    if modern { json!({ "name": "run" }) } else { json!({ "name": "run", "task": { "ttl": 1 } }) }
}

/// The id of a task that the user began.
async fn begin(world: &World, user: &User, modern: bool) -> String {
    let answer = json_of(send(world, "t", user, modern, "tools/call", run(modern))).await;
    let task = if modern { &answer["result"] } else { &answer["result"]["task"] };
    task["taskId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_task_works_for_who_began_it_in_both_eras() {
    for modern in [false, true] {
        let backend = Backend::start().await;
        let (world, alice, _) = world(&backend).await;
        let id = begin(&world, &alice, modern).await;
        assert!(id.len() > 30 && id.ends_with(".task-0-größe"), "{id}");
        for method in methods(modern) {
            let params = json!({ "taskId": id, "inputResponses": {} });
            let answer = json_of(send(&world, "t", &alice, modern, method, params)).await;
            let result = &answer["result"];
            let named = [
                &result["taskId"],
                &result["_meta"][RELATED]["taskId"],
                &result["result"]["_meta"][RELATED]["taskId"],
            ];
            assert!(result.is_object(), "{method} {answer}");
            assert!(named.iter().all(|named| named.is_null() || **named == *id), "{answer}");
            assert!(method == "tasks/update" || answer.to_string().contains(&id), "{answer}");
            assert_eq!(backend.last()["params"]["taskId"], "task-0-größe");
        }
        let names = backend.state.lock().unwrap().names.clone();
        let expected = if modern { "=?base64?dGFzay0wLWdyw7bDn2U=?=" } else { "" };
        assert_eq!(names[1..], [expected; 3]);
    }
}

#[tokio::test]
async fn a_task_of_somebody_else_or_of_another_tenant_is_not_there() {
    for modern in [false, true] {
        let backend = Backend::start().await;
        let (world, alice, bob) = world(&backend).await;
        let id = begin(&world, &alice, modern).await;
        let own = |id: &str| id.split_once('.').unwrap().1.to_owned();
        let nobodys = [
            ("t", &bob, id.clone()),
            ("u", &alice, id.clone()),
            ("t", &alice, own(&id)),
            ("t", &alice, format!("x{id}")),
            ("t", &alice, String::new()),
        ];
        for method in methods(modern) {
            for (tenant, user, id) in &nobodys {
                let params = json!({ "taskId": id });
                let answer = json_of(send(&world, tenant, user, modern, method, params)).await;
                // In the backend's own words, as for one that was never there.
                let error = json!({ "code": -32602, "message": format!("no {id} here") });
                assert_eq!(
                    answer,
                    json!({ "jsonrpc": "2.0", "id": 7, "error": error }),
                    "{method}"
                );
                assert_ne!(backend.last()["params"]["taskId"], "task-0-größe");
            }
            let answer = json_of(send(&world, "t", &bob, modern, method, json!({}))).await;
            assert_eq!(answer["error"]["code"], -32602, "{method}");
            let asked = backend.count();
            let params = json!({ "taskId": 0 });
            let answer = json_of(send(&world, "t", &bob, modern, method, params)).await;
            assert_eq!((&answer["error"]["code"], backend.count()), (&(-32602).into(), asked));
        }
        let names = backend.state.lock().unwrap().names.join(" ");
        assert!(!names.contains("task-0") && !names.contains("dGFzay0w"), "{names}");
    }
}

#[tokio::test]
async fn the_list_of_tasks_is_closed_unless_the_backend_keeps_users_apart() {
    let backend = Backend::start().await;
    let (world, alice, _) = world(&backend).await;
    let id = begin(&world, &alice, false).await;
    let initialize = || send(&world, "t", &alice, false, "initialize", json!({}));
    let list = || send(&world, "t", &alice, false, "tasks/list", json!({}));
    let (asked, answer) = (backend.count(), json_of(list()).await);
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&7.into(), &(-32601).into()));
    assert_eq!(backend.count(), asked);
    let able = json_of(initialize()).await["result"]["capabilities"].clone();
    let kept = json!({ "cancel": {}, "requests": { "tools": { "call": {} } } });
    assert_eq!(able, json!({ "tools": {}, "tasks": kept }));

    let directory = world.directory.load();
    let tenants = directory.tenants().map(|tenant| tenant.clone().with_task_list(true));
    world.directory.replace(Directory::new(tenants, directory.policy().clone()));
    let answer = json_of(list()).await;
    assert_eq!(answer["result"]["tasks"][0]["taskId"], json!(id));
    assert_eq!(answer["result"]["nextCursor"], "c");
    let able = json_of(initialize()).await["result"]["capabilities"].clone();
    assert!(able["tasks"]["list"].is_object());
}

#[tokio::test]
async fn methods_about_tasks_that_nobody_knows_do_not_reach_the_backend() {
    let backend = Backend::start().await;
    let (world, alice, _) = world(&backend).await;
    begin(&world, &alice, false).await;
    let asked = backend.count();
    for method in ["tasks/Get", "TASKS/get", "tasks/delete", "tasks/"] {
        for modern in [false, true] {
            let params = json!({ "taskId": "task-0-größe" });
            let response = send(&world, "t", &alice, modern, method, params).send().await.unwrap();
            let expected = if modern { StatusCode::NOT_FOUND } else { StatusCode::OK };
            assert_eq!(response.status(), expected, "{method}");
            let answer: Value = response.json().await.unwrap();
            assert_eq!(answer["error"]["code"], -32601, "{method}");
        }
    }
    for method in ["tasks/result", "tasks/list"] {
        let request = send(&world, "t", &alice, true, method, json!({}));
        assert_eq!(request.send().await.unwrap().status(), StatusCode::NOT_FOUND, "{method}");
    }
    // A notification about a task is none that a server knows.
    let message = json!({ "jsonrpc": "2.0", "method": "tasks/cancel",
        "params": { "taskId": "task-0-größe" } });
    let response = world.request(Method::POST, "t", &alice).json(&message).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert_eq!(backend.count(), asked);
}

/// A server that answers with JSON says nothing until the task has ended.
#[tokio::test]
async fn a_result_is_waited_for_while_the_user_may_have_it() {
    let backend = Backend::start().await;
    let limits = Limits::default().with_answer_time(Duration::from_millis(200));
    let (world, alice, bob) = world_with(&backend, limits).await;
    let id = begin(&world, &alice, false).await;
    let ask = |user, method, milliseconds: u64| {
        let params = json!({ "taskId": id, "_meta": { "takes": milliseconds } });
        send(&world, "t", user, false, method, params).send()
    };
    assert_eq!(ask(&alice, "tasks/result", 600).await.unwrap().status(), StatusCode::OK);
    // Nothing else is, nor what is nobody's.
    for (user, method) in [(&alice, "tasks/get"), (&bob, "tasks/result")] {
        let late = ask(user, method, 600).await.unwrap();
        assert_eq!(late.status(), StatusCode::GATEWAY_TIMEOUT);
        assert!(late.text().await.unwrap().contains("did not answer in time"));
    }
    let revoked = async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        let tenants = world.directory.load().tenants().cloned().collect::<Vec<_>>();
        world.directory.replace(Directory::new(tenants, Policy::default()));
    };
    let (ended, ()) = tokio::join!(ask(&alice, "tasks/result", 60_000), revoked);
    let ended = ended.unwrap();
    assert_eq!(ended.status(), StatusCode::GATEWAY_TIMEOUT);
    assert!(ended.text().await.unwrap().contains("the policy has changed"));
}

#[tokio::test]
async fn a_gateway_that_is_about_to_end_waits_for_no_task() {
    let backend = Backend::start().await;
    let (world, alice, _) = world(&backend).await;
    let id = begin(&world, &alice, false).await;
    let params = json!({ "taskId": id, "_meta": { "takes": 60_000 } });
    let asked = send(&world, "t", &alice, false, "tasks/result", params).send();
    let drained = async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        world.gateway.drain();
    };
    let (ended, ()) = tokio::join!(asked, drained);
    let ended = ended.unwrap();
    assert_eq!(ended.status(), StatusCode::GATEWAY_TIMEOUT);
    assert!(ended.text().await.unwrap().contains("ask again"));
}

#[tokio::test]
async fn streams_name_tasks_as_the_client_knows_them() {
    for modern in [false, true] {
        let backend = Backend::start().await;
        let (world, alice, _) = world(&backend).await;
        let mut params = run(modern);
        params["name"] = json!("streamed");
        let answer = messages(send(&world, "t", &alice, modern, "tools/call", params)).await;
        let result = &answer[0]["result"];
        let task = if modern { result } else { &result["task"] };
        let id = task["taskId"].as_str().unwrap();
        assert!(id.ends_with(".task-0-größe"), "{answer:?}");
        let params = json!({ "taskId": id, "_meta": { "streamed": true } });
        let answer = messages(send(&world, "t", &alice, modern, "tasks/get", params)).await;
        assert_eq!(answer[0]["result"]["taskId"], id);
        assert_eq!(answer[0]["result"]["result"]["_meta"][RELATED]["taskId"], id);
    }
}

#[tokio::test]
async fn a_standing_stream_names_the_servers_tasks_and_leaves_the_clients_alone() {
    let backend = Backend::start().await;
    let (world, alice, _) = world(&backend).await;
    let id = begin(&world, &alice, false).await;
    let get = |version: &str| {
        world.request(Method::GET, "t", &alice).header("mcp-protocol-version", version)
    };
    let told = messages(get("2025-11-25")).await;
    assert_eq!(told[0]["params"]["taskId"], json!(id));
    assert_eq!(told[1]["params"]["_meta"][RELATED]["taskId"], json!(id));
    assert_eq!(told[2]["params"]["taskId"], "of-the-client");
    // A revision without tasks: not looked at.
    assert_eq!(messages(get("2025-06-18")).await[0]["params"]["taskId"], "task-0-größe");
}

#[tokio::test]
async fn what_a_client_says_of_a_task_reaches_the_backend_under_its_own_name() {
    let backend = Backend::start().await;
    let (world, alice, bob) = world(&backend).await;
    let id = begin(&world, &alice, false).await;
    let say = async |user: &User, result: Value| {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "result": result });
        let request = world.request(Method::POST, "t", user);
        request.json(&message).send().await.unwrap();
        backend.last()["result"].clone()
    };
    let about = |id: &str| json!({ "action": "accept", "_meta": { RELATED: { "taskId": id } } });
    assert_eq!(say(&alice, about(&id)).await, about("task-0-größe"));
    assert_eq!(say(&bob, about(&id)).await, about(&id));
    assert_eq!(say(&alice, about("of-the-client")).await, about("of-the-client"));
    let own = json!({ "task": { "taskId": "of-the-client" } });
    assert_eq!(say(&alice, own.clone()).await, own);
}

#[tokio::test]
async fn a_subscription_is_for_the_users_own_tasks() {
    let backend = Backend::start().await;
    let (world, alice, bob) = world(&backend).await;
    let (own, of_bob) = (begin(&world, &alice, true).await, begin(&world, &bob, true).await);
    let params = json!({ "notifications": { "taskIds": [of_bob, own, "task-1-größe", 5] } });
    let told = messages(send(&world, "t", &alice, true, "subscriptions/listen", params)).await;
    assert_eq!(backend.last()["params"]["notifications"]["taskIds"], json!(["task-0-größe"]));
    assert_eq!(told[0]["params"]["notifications"]["taskIds"], json!([own]));
    assert_eq!(told[1]["params"]["taskId"], json!(own));
    assert_eq!(told.len(), 2);
    let unasked = json!({ "jsonrpc": "2.0", "method": "subscriptions/listen",
        "params": { "notifications": { "taskIds": ["task-1-größe"] } } });
    world.request(Method::POST, "t", &alice).json(&unasked).send().await.unwrap();
    assert_eq!(backend.last()["params"]["notifications"]["taskIds"], json!([]));
    let twice = r#"{"jsonrpc":"2.0","id":7,"method":"subscriptions/listen","params":{"notifications":{
        "taskIds":[],"taskids":["task-1-größe"]},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
    let request = world.request(Method::POST, "t", &alice).body(twice);
    let response = request.header("content-type", "application/json").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_has_nothing_to_do_with_tasks_goes_on_as_it_came() {
    let backend = Backend::start().await;
    let (world, alice, _) = world(&backend).await;
    for modern in [false, true] {
        for (name, expected) in [("plain", PLAIN.to_owned()), ("long", long())] {
            let mut params = run(modern);
            params["name"] = json!(name);
            let request = send(&world, "t", &alice, modern, "tools/call", params);
            let response = request.send().await.unwrap();
            assert_eq!(response.headers()["etag"], "\"x\"");
            assert_eq!(response.text().await.unwrap(), expected, "{name} {modern}");
        }
    }
    // Nobody who speaks of no task has their answers looked at.
    let call = send(&world, "t", &alice, false, "tools/call", json!({ "name": "plain" }));
    call.header("accept-encoding", "zstd").send().await.unwrap();
    assert_eq!(backend.state.lock().unwrap().encodings.last().unwrap(), "zstd");
}

#[tokio::test]
async fn a_user_of_some_tools_has_tasks_too() {
    let backend = Backend::start().await;
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", "key").await;
    for modern in [false, true] {
        let id = begin(&world, &alice, modern).await;
        let params = json!({ "taskId": id });
        let answer = json_of(send(&world, "t", &alice, modern, "tasks/get", params)).await;
        assert_eq!(answer["result"]["taskId"], json!(id));
    }
}
