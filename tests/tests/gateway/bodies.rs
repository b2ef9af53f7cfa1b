//! Bodies that are no message, and messages that two parsers could read differently.

use bonafide_mcp::Limits;
use bonafide_tests::{RawBackend, World};
use reqwest::{Method, StatusCode};
use serde_json::Value;

#[tokio::test]
async fn what_can_be_read_in_two_ways_never_reaches_the_backend() {
    let backend = RawBackend::start("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", true).await;
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", "key").await;
    let bodies = [
        ("", -32700),
        ("nonsense", -32700),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}{"#, -32700),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","METHOD":"tools/call"}"#, -32600),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ok","Name":"delete_x"}}"#,
            -32600,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#, -32602),
    ];
    for (body, code) in bodies {
        let response = world.request(Method::POST, "t", &alice).body(body).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["error"]["code"], code, "{body}");
    }
    assert_eq!(backend.seen(), "");
}

#[tokio::test]
async fn a_body_that_the_backend_would_decode_otherwise_is_refused() {
    let backend = RawBackend::start("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", true).await;
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", "key").await;
    // In UTF-7 `+ACI-` is a quote: who decodes it so sees another tool.
    let hidden = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","zz":"q+ACI-,+ACI-name+ACI-:+ACI-delete_everything"}}"#;
    let cases: [&[(&str, &str)]; 5] = [
        &[("content-type", "application/json; charset=utf-7")],
        &[("content-type", "text/plain")],
        &[
            ("content-type", "application/json"),
            ("content-type", "application/json; charset=utf-7"),
        ],
        &[("content-type", "application/json"), ("content-encoding", "br")],
        &[("content-type", "application/json"), ("content-encoding", "gzip")],
    ];
    for headers in cases {
        let mut request = world.request(Method::POST, "t", &alice).body(hidden);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{headers:?}");
    }
    assert_eq!(backend.seen(), "");
    world.request(Method::POST, "t", &alice).body(hidden).send().await.unwrap();
    let seen = backend.seen();
    assert!(seen.contains("content-type: application/json\r\n"), "{seen}");
}

#[tokio::test]
async fn headers_that_contradict_the_body_are_refused() {
    let backend = RawBackend::start("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", true).await;
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", "key").await;
    for (name, value) in [("mcp-method", "ping"), ("mcp-name", "delete_x")] {
        let request = world.call("t", &alice, "whoami").header(name, value);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{name}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["error"]["code"], -32020, "{name}");
    }
    assert_eq!(backend.seen(), "");
}

#[tokio::test]
async fn a_body_has_a_limit_in_size_and_time() {
    let backend = RawBackend::start("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", true).await;
    let limits = Limits::default()
        .with_request_body(1000)
        .with_request_time(std::time::Duration::from_millis(200));
    let world = World::start(&[("t", backend.url())], limits).await;
    let alice = world.user("alice", &["t"]);
    let big = world.request(Method::POST, "t", &alice).body(vec![b' '; 1001]).send().await.unwrap();
    assert_eq!(big.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let slow = slow_request(world.address(), &alice.token()).await;
    assert!(slow.starts_with("HTTP/1.1 408 "), "{slow}");
    assert_eq!(backend.seen(), "");
}

/// Announces more than it sends.
async fn slow_request(address: std::net::SocketAddr, token: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /t/mcp HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         content-length: 100\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 256];
    let read = stream.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[tokio::test]
async fn the_message_goes_on_as_it_came() {
    let answer = "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
    let backend = RawBackend::start(answer, true).await;
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", "key").await;
    let body = "{ \"jsonrpc\":\"2.0\", \"method\":\"notifications/progress\",\n \"params\":{\"z\":1,\"a\":1.0} }";
    let request = world
        .request(Method::POST, "t", &alice)
        .header("content-type", "application/json")
        .header("mcp-protocol-version", "2025-11-25")
        .header("mcp-param-region", "eu")
        .body(body);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::ACCEPTED);
    let seen = backend.seen();
    assert!(seen.ends_with(body), "{seen}");
    for header in
        ["mcp-protocol-version: 2025-11-25", "mcp-param-region: eu", "authorization: Bearer key"]
    {
        assert!(seen.contains(header), "{header}: {seen}");
    }
}
