//! Bodies that are small to send and large to read.

use std::time::{Duration, Instant};

use bonafide_mcp::Limits;
use bonafide_tests::{RawBackend, World, call};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::world::{ANSWER, statuses};

const MEGABYTE: usize = 1024 * 1024;

/// Long for a machine that is busy, and far from what a body must not cost.
const SOON: Duration = Duration::from_secs(20);

async fn world(
    answer: &'static str,
    limits: Limits,
) -> (RawBackend, World, bonafide_testkit::User) {
    let backend = RawBackend::start(answer, false).await;
    let world = World::start(&[("t", backend.url())], limits).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", "alices-secret-key").await;
    (backend, world, alice)
}

fn nested(open: &str, close: &str, depth: usize) -> String {
    format!("{}1{}", open.repeat(depth), close.repeat(depth))
}

/// Messages with `VALUE` somewhere, well-formed if it is.
const MESSAGES: [&str; 9] = [
    "VALUE",
    r#"{"jsonrpc":"2.0","id":VALUE,"method":"ping"}"#,
    r#"{"jsonrpc":"2.0","id":7,"method":VALUE}"#,
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":VALUE}"#,
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":VALUE}}"#,
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"whoami","arguments":VALUE}}"#,
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"whoami","_meta":VALUE}}"#,
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"whoami","_meta":{"progressToken":VALUE}}}"#,
    r#"{"jsonrpc":"2.0","id":7,"result":VALUE}"#,
];

#[tokio::test]
async fn no_message_takes_the_gateway_down_or_long() {
    let members: String = (0..20_000).map(|n| format!("\"m{n}\":{n},")).collect();
    let values = [
        nested("[", "]", MEGABYTE / 4),
        "[".repeat(MEGABYTE),
        nested("{\"a\":", "}", MEGABYTE / 16),
        nested("[{\"name\":", "}]", MEGABYTE / 32),
        "9".repeat(MEGABYTE),
        format!("-0.{}e-9", "1".repeat(MEGABYTE)),
        format!("1e{}", "9".repeat(MEGABYTE)),
        format!("[{}1]", "1,".repeat(MEGABYTE / 4)),
        format!("{{{members}\"z\":0}}"),
        format!("{{{}\"a\":1}}", "\"a\":1,".repeat(20_000)),
        format!("\"{}\"", "\\u0061\\n\\\"".repeat(30_000)),
        format!("\"{}\"", "\\".repeat(MEGABYTE)),
        "\"\\ud800\"".to_owned(),
        "\"\\udc00\\ud800\"".to_owned(),
        format!("\"{}\"", "\u{202e}".repeat(50_000)),
        "\"\0\"".to_owned(),
        " ".repeat(MEGABYTE),
    ];
    for (index, value) in values.iter().enumerate() {
        let (backend, world, alice) = world(ANSWER, Limits::default()).await;
        world.open("t");
        for message in MESSAGES {
            let started = Instant::now();
            let body = message.replace("VALUE", value);
            let request = world.request(Method::POST, "t", &alice).body(body.clone());
            let status = request.send().await.unwrap().status();
            let (case, took) = (format!("{index}: {message}"), started.elapsed());
            assert!(took < SOON, "{case}: {took:?}");
            match status {
                // A tool that no rule can be compared with is asked for under another name.
                StatusCode::OK if message.contains(r#""name":VALUE"#) => {}
                StatusCode::OK => assert!(backend.seen().ends_with(&body), "{case}: changed"),
                StatusCode::BAD_REQUEST => assert!(!backend.seen().ends_with(&body), "{case}"),
                status => panic!("{case}: {status}"),
            }
        }
        let response = world.call("t", &alice, "whoami").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "it does not live any more");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_not_waited_for() {
    let limits = Limits::default().with_request_body(MEGABYTE);
    let (backend, world, alice) = world(ANSWER, limits).await;
    let (address, token) = (world.address(), alice.token());
    let head =
        format!("POST /t/mcp HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n");
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    for (framing, piece, pieces) in [
        // Announced, and not a byte of it sent.
        ("Content-Length: 1048577\r\n\r\n", "", 1),
        ("Content-Length: 9223372036854775807\r\n\r\n", "", 1),
        // Not announced, and without end.
        ("Transfer-Encoding: chunked\r\n\r\n", &*chunk, 1000),
        ("Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n", &*" ".repeat(0x10000), 1000),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (mut read, mut write) = stream.split();
        let mut answer = vec![0; 12];
        let send = async {
            let _ = write.write_all(format!("{head}{framing}").as_bytes()).await;
            for _ in 0..pieces {
                if write.write_all(piece.as_bytes()).await.is_err() {
                    break;
                }
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = send => {}
            read = timeout(SOON, read.read_exact(&mut answer)) => drop(read.expect("it is waited for").unwrap()),
        }
        assert_eq!(statuses(&String::from_utf8_lossy(&answer)), [413], "{framing}");
    }
    assert_eq!(backend.seen(), "");
}

#[tokio::test]
async fn an_encoded_body_is_never_decoded() {
    let (backend, world, alice) = world(ANSWER, Limits::default()).await;
    for encoding in [
        "gzip",
        "x-gzip",
        "deflate",
        "br",
        "zstd",
        "compress",
        "gzip, gzip",
        "identity, zstd",
        "",
        "aes128gcm",
    ] {
        let request = world.call("t", &alice, "whoami").header("content-encoding", encoding);
        let status = request.send().await.unwrap().status();
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{encoding}");
    }
    assert_eq!(backend.seen(), "");
}

fn answer(head: &str, body: &str) -> &'static str {
    format!("HTTP/1.1 200 OK\r\n{head}content-length: {}\r\n\r\n{body}", body.len()).leak()
}

const JSON: &str = "content-type: application/json\r\n";
const EVENTS: &str = "content-type: text/event-stream\r\n";

#[tokio::test]
async fn a_backends_answer_that_must_be_looked_at_is_a_bomb_for_nobody() {
    let list = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" });
    let item = |value: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":7,"result":{{"tools":[{{"name":"delete_it","x":{value}}}]}}}}"#
        )
    };
    let values = [
        nested("[", "]", MEGABYTE),
        nested("{\"a\":", "}", MEGABYTE / 8),
        "9".repeat(MEGABYTE),
        format!("[{}1]", "1,".repeat(MEGABYTE)),
        format!("\"{}\"", "\\u0061".repeat(100_000)),
        "\"\\ud800\"".to_owned(),
    ];
    for (index, value) in values.iter().enumerate() {
        let text = item(value);
        for (head, body) in [(JSON, text.clone()), (EVENTS, format!("data: {text}\n\n"))] {
            let (_backend, world, alice) = world(answer(head, &body), Limits::default()).await;
            let started = Instant::now();
            let response =
                world.request(Method::POST, "t", &alice).json(&list).send().await.unwrap();
            let status = response.status();
            let text = response.text().await.unwrap_or_default();
            assert!(started.elapsed() < SOON, "{index}: {:?}", started.elapsed());
            assert!(!text.contains("delete_it"), "{index}: {status}");
            assert!(
                status == StatusCode::BAD_GATEWAY
                    || text.contains(r#""tools":[]"#)
                    || text.is_empty(),
                "{index}: {status}"
            );
        }
    }
    for encoding in ["gzip", "zstd", "br", "deflate"] {
        for head in [JSON, EVENTS] {
            let head = format!("{head}content-encoding: {encoding}\r\n");
            let (backend, world, alice) =
                world(answer(&head, "\u{1f}delete_it"), Limits::default()).await;
            let request =
                world.request(Method::POST, "t", &alice).header("accept-encoding", encoding);
            let sent = request.json(&list).send();
            let told = async { sent.await?.error_for_status()?.text().await }.await;
            assert!(backend.seen().contains("accept-encoding: identity\r\n"));
            // What is wrong with a stream shows when it has begun.
            let status = told.unwrap_err().status();
            let broken = status.is_none() && head.contains(EVENTS);
            assert!(broken || status == Some(StatusCode::BAD_GATEWAY), "{head}: {status:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_without_end_that_must_be_looked_at_is_cut_off() {
    let limits = Limits::default().with_filtered_answer(MEGABYTE);
    let list = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" });
    let endless = |head: &str, piece: &str| -> (&'static str, &'static str) {
        let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
        (
            format!("HTTP/1.1 200 OK\r\n{head}transfer-encoding: chunked\r\n\r\n{chunk}").leak(),
            chunk.leak(),
        )
    };
    let piece = "[".repeat(MEGABYTE / 4);
    for (head, piece) in
        [(JSON, piece.clone()), (EVENTS, format!("data: {piece}")), (EVENTS, piece)]
    {
        let (start, more) = endless(head, &piece);
        let backend = RawBackend::drip(start, more).await;
        let world = World::start(&[("t", backend.url())], limits).await;
        let alice = world.user("alice", &["t"]);
        world.store(&alice, "t", "key").await;
        let request = world.request(Method::POST, "t", &alice).json(&list);
        let outcome =
            timeout(SOON, async { request.send().await?.error_for_status()?.text().await });
        assert!(outcome.await.expect("it goes on and on").is_err(), "{head}");
    }
}

#[tokio::test]
async fn an_answer_that_goes_on_as_it_is_may_be_anything_and_harms_nobody() {
    for value in [nested("[", "]", MEGABYTE), "9".repeat(10_000), nested("[", "]", 20_000)] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"x":{value}}}}}"#);
        let (_backend, world, alice) = world(answer(JSON, &text), Limits::default()).await;
        world.open("t");
        let response =
            world.request(Method::POST, "t", &alice).json(&call("whoami")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.text().await.unwrap(), text);
    }
    let error: Value = json!({ "jsonrpc": "2.0", "id": 7, "error": { "code": 1, "message": "alices-secret-key", "data": "x".repeat(MEGABYTE) } });
    let (_backend, world, alice) = world(answer(JSON, &error.to_string()), Limits::default()).await;
    world.open("t");
    let text = world.call("t", &alice, "whoami").send().await.unwrap().text().await.unwrap();
    assert!(!text.contains("alices-secret-key") && text.len() == error.to_string().len());
}
