//! Backends that are down, slow, or answer nonsense.

use std::time::{Duration, Instant};

use bonafide_mcp::Limits;
use bonafide_testkit::McpBackend;
use bonafide_tests::{CANARY, RawBackend, World, capture_log};
use reqwest::{Method, StatusCode};
use serde_json::Value;

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 36\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}";

fn quick() -> Limits {
    let short = Duration::from_millis(300);
    Limits::default().with_answer_time(short).with_connect_time(short).with_pause_time(short)
}

/// The status and the JSON-RPC error that a caller gets from a backend that answers like this.
async fn outcome(answer: &'static str, close: bool) -> (StatusCode, Value) {
    let backend = RawBackend::start(answer, close).await;
    let world = World::start(&[("t", backend.url())], quick()).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", CANARY).await;
    let started = Instant::now();
    let response = world.call("t", &alice, "whoami").send().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(10), "it hung");
    assert!(!response.headers().contains_key("www-authenticate"));
    assert!(!response.headers().contains_key("location"));
    let status = response.status();
    let text = response.text().await.unwrap();
    assert!(!text.contains(CANARY), "{text}");
    (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}")))
}

#[tokio::test]
async fn nonsense_is_a_502_with_a_json_rpc_error() {
    let answers = [
        "nonsense\r\n\r\n",
        "",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\nnot JSON",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{\"jsonrpc\":\"2.0\"",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}",
        "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi",
    ];
    for answer in answers {
        let (status, error) = outcome(answer, true).await;
        assert_eq!(status, StatusCode::BAD_GATEWAY, "{answer:?}");
        assert_eq!((&error["id"], &error["error"]["code"]), (&7.into(), &502.into()), "{answer:?}");
    }
}

#[tokio::test]
async fn a_redirect_takes_no_credential_anywhere() {
    let statuses = ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"];
    for status in statuses {
        // It would answer well.
        let target = RawBackend::start(ANSWER, true).await;
        for location in [target.url().as_str(), "/elsewhere"] {
            let answer =
                format!("HTTP/1.1 {status}\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
            let backend = RawBackend::start(answer.leak(), true).await;
            let world = World::start(&[("t", backend.url())], quick()).await;
            let alice = world.user("alice", &["t"]);
            world.store(&alice, "t", CANARY).await;
            let response = world.call("t", &alice, "whoami").send().await.unwrap();
            assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{status} {location}");
            assert!(!response.headers().contains_key("location"), "{status} {location}");
            let error: Value = response.json().await.unwrap();
            assert_eq!((&error["id"], &error["error"]["code"]), (&7.into(), &502.into()));
            assert_eq!(target.seen(), "", "{status} {location}");
            assert_eq!(backend.connections().len(), 1, "{status} {location}");
            assert!(backend.seen().contains(CANARY), "the canary never flew");
        }
    }
}

#[tokio::test]
async fn a_backend_that_stops_is_a_504_with_a_json_rpc_error() {
    let answers = [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{\"jsonrpc\"",
    ];
    for answer in answers {
        let (status, error) = outcome(answer, false).await;
        assert_eq!(status, StatusCode::GATEWAY_TIMEOUT, "{answer:?}");
        assert_eq!((&error["id"], &error["error"]["code"]), (&7.into(), &504.into()), "{answer:?}");
    }
}

#[tokio::test]
async fn a_backend_that_drips_is_a_504_too() {
    let backend = RawBackend::drip(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        "1\r\n \r\n",
    )
    .await;
    let world = World::start(&[("t", backend.url())], quick()).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", "key").await;
    let started = Instant::now();
    let response = world.call("t", &alice, "whoami").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_backend_that_is_down_is_a_502_and_leaves_the_others_alone() {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let healthy = McpBackend::start().await;
    let hung = RawBackend::start("", false).await;
    let tenants = [
        ("down", format!("http://127.0.0.1:{port}/mcp")),
        ("hung", hung.url()),
        ("healthy", healthy.url()),
    ];
    let world = World::start(&tenants, quick()).await;
    let alice = world.user("alice", &["down", "hung", "healthy"]);
    for tenant in ["down", "hung", "healthy"] {
        world.store(&alice, tenant, "key").await;
    }
    let hanging = (0..50).map(|_| world.call("hung", &alice, "whoami").send());
    let hanging: Vec<_> = hanging.map(tokio::spawn).collect();
    let down = world.call("down", &alice, "whoami").send().await.unwrap();
    assert_eq!(down.status(), StatusCode::BAD_GATEWAY);
    let initialize = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" } } });
    let request = world.request(Method::POST, "healthy", &alice).json(&initialize);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    for call in hanging {
        assert_eq!(call.await.unwrap().unwrap().status(), StatusCode::GATEWAY_TIMEOUT);
    }
}

#[tokio::test]
async fn a_refused_credential_is_the_users_business_and_not_a_401_of_ours() {
    let answer = "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer realm=\"x\"\r\ncontent-length: 0\r\n\r\n";
    let (status, body) = outcome(answer, true).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["result"]["isError"], true);
    let text = body["result"]["content"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("refused your stored credential") && text.contains("/connections/t"),
        "{text}"
    );
}

#[tokio::test]
async fn a_202_with_a_word_in_it_is_good_for_a_notification_and_not_for_a_request() {
    let answer = "HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let (status, _) = outcome(answer, true).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    let backend = RawBackend::start(answer, true).await;
    let world = World::start(&[("t", backend.url())], quick()).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", "key").await;
    let notification =
        serde_json::json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let request = world.request(Method::POST, "t", &alice).json(&notification);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn other_answers_of_a_backend_are_passed_on_without_its_cookies() {
    let answer = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nset-cookie: a=b\r\n\
                  x-extra: kept\r\ncontent-length: 61\r\n\r\n\
                  {\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32022,\"message\":\"\"}}";
    let backend = RawBackend::start(answer, true).await;
    let world = World::start(&[("t", backend.url())], quick()).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", "key").await;
    let response = world.call("t", &alice, "whoami").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.headers()["x-extra"], "kept");
    assert!(!response.headers().contains_key("set-cookie"));
    assert!(response.text().await.unwrap().contains("-32022"));
}

#[tokio::test]
async fn nothing_of_user_token_or_credential_is_logged() {
    let log = capture_log();
    let backend = RawBackend::start("nonsense\r\n\r\n", true).await;
    let world = World::start(&[("t", backend.url())], quick()).await;
    let name = format!("{CANARY}-name");
    let alice =
        world.user(&name, &["t"]).with_claim("email", format!("{CANARY}@example.com").into());
    world.store(&alice, "t", &format!("{CANARY}-key")).await;
    for tool in ["whoami", "delete_x"] {
        world.call("t", &alice, tool).send().await.unwrap();
    }
    let carol = world.user(&format!("{CANARY}-carol"), &[]);
    world.call("t", &carol, "whoami").send().await.unwrap();
    let unsigned = alice.token().rsplit_once('.').unwrap().0.to_owned() + ".AAAA";
    let request = world.anonymous(Method::POST, "/t/mcp").bearer_auth(unsigned);
    request.send().await.unwrap();
    let logged: String = log.text().lines().filter(|line| line.contains("bonafide")).collect();
    assert!(
        logged.contains("denied a tenant") && logged.contains("unusable answer")
            || logged.contains("no answer")
    );
    assert!(!logged.contains(CANARY), "{logged}");
    assert!(!logged.contains(&alice.token()), "{logged}");
    assert!(backend.seen().contains(CANARY), "the canary never flew");
}
