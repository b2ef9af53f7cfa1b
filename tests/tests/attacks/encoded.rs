//! Backends that say what they were called with, and compress it.

use std::io::Write as _;
use std::time::Duration;

use bonafide_mcp::Limits;
use bonafide_tests::{RawBackend, World};
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::time::timeout;

const KEY: &str = "canary-7f3a-key";
const STARS: &str = "***************";

const JSON: &str = "content-type: application/json\r\n";
const EVENTS: &str = "content-type: text/event-stream\r\n";

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 3).unwrap()
}

fn encoded(text: &str) -> [(&'static str, Vec<u8>); 2] {
    [("gzip", gzip(text)), ("zstd", zstd(text))]
}

struct Told {
    status: StatusCode,
    headers: HeaderMap,
    /// `None` if the answer broke off, here or before its head had come.
    body: Option<Vec<u8>>,
    asked: String,
}

impl Told {
    fn text(&self) -> &str {
        std::str::from_utf8(self.body.as_ref().unwrap()).unwrap()
    }

    fn says_nothing_secret(&self) -> bool {
        let body = String::from_utf8_lossy(self.body.as_deref().unwrap_or_default()).into_owned();
        !body.contains("canary") && !format!("{:?}", self.headers).contains("canary")
    }
}

/// What a client gets that takes `accept` for an answer of the backend, which is sent a key.
async fn told_with(limits: Limits, accept: &str, head: &str, body: &[u8]) -> Told {
    let mut answer = format!("HTTP/1.1 {head}content-length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    let backend = RawBackend::start_bytes(answer.leak(), false).await;
    let world = World::start(&[("t", backend.url())], limits).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", KEY).await;
    world.open("t");
    let request = world.call("t", &alice, "whoami").header("accept-encoding", accept);
    let response = request.send().await;
    assert!(backend.seen().contains(KEY), "the canary never flew");
    let Ok(response) = response else {
        let (status, headers) = (StatusCode::OK, HeaderMap::new());
        return Told { status, headers, body: None, asked: backend.seen() };
    };
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.ok().map(|body| body.to_vec());
    Told { status, headers, body, asked: backend.seen() }
}

async fn told(head: &str, body: &[u8]) -> Told {
    told_with(Limits::default(), "gzip, zstd", head, body).await
}

fn noise(len: usize) -> String {
    let mut state = 7_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'!' + (state >> 24) as u8 % 90).to_string().replace(['"', '\\'], "x")
    };
    (0..len).map(|_| next()).collect()
}

#[tokio::test]
async fn a_credential_in_an_encoded_error_is_masked() {
    let error =
        format!(r#"{{"jsonrpc":"2.0","id":7,"error":{{"code":-32000,"message":"no: {KEY}"}}}}"#);
    let failed = format!(
        r#"{{"jsonrpc":"2.0","id":7,"result":{{"content":[{{"type":"text","text":"{KEY}"}}],"isError":true}}}}"#
    );
    let long = format!(
        r#"{{"jsonrpc":"2.0","id":7,"error":{{"data":"{}","message":"{KEY}"}}}}"#,
        noise(200_000)
    );
    for text in [error, failed, long] {
        let event = format!("id: 1\ndata: {text}\n\n");
        for (head, text) in [
            (format!("200 OK\r\n{JSON}"), &text),
            (format!("200 OK\r\n{EVENTS}"), &event),
            (format!("400 Bad Request\r\n{JSON}"), &text),
            (format!("404 Not Found\r\n{JSON}"), &text),
            (format!("500 Oops\r\n{JSON}"), &text),
            ("422 No\r\ncontent-type: text/plain\r\n".to_owned(), &text),
        ] {
            for (coding, body) in encoded(text) {
                let head = format!("{head}content-encoding: {coding}\r\netag: \"x\"\r\n");
                let told = told(&head, &body).await;
                assert!(head.starts_with(told.status.as_str()), "{head}: {}", told.status);
                assert!(told.text() == text.replace(KEY, STARS), "{head}");
                assert!(!told.headers.contains_key("content-encoding"), "{head}");
                assert!(!told.headers.contains_key("etag"), "{head}");
            }
        }
    }
}

#[tokio::test]
async fn an_encoded_answer_without_one_goes_on_byte_for_byte() {
    let result = json!({ "jsonrpc": "2.0", "id": 7, "result": { "content": [{ "type": "text", "text": KEY }] } });
    let error = json!({ "jsonrpc": "2.0", "id": 7, "error": { "code": 1, "message": "no" } });
    for (status, text) in [("200 OK", result), ("200 OK", error.clone()), ("400 No", error)] {
        for (coding, body) in encoded(&text.to_string()) {
            let head = format!("{status}\r\n{JSON}content-encoding: {coding}\r\netag: \"x\"\r\n");
            let told = told(&head, &body).await;
            assert_eq!(told.headers["content-encoding"], coding);
            assert_eq!(told.headers["etag"], "\"x\"");
            assert!(told.body.unwrap() == body, "{head}");
        }
    }
}

#[tokio::test]
async fn of_a_coding_that_can_not_be_undone_only_the_status_is_left() {
    let text = format!(r#"{{"jsonrpc":"2.0","id":7,"error":{{"code":1,"message":"{KEY}"}}}}"#);
    let event = format!("data: {text}\n\n");
    for coding in ["br", "deflate", "gzip, gzip", "gzip\r\ncontent-encoding: zstd", "gzip;q=1"] {
        for (head, text, status) in [
            (format!("200 OK\r\n{JSON}"), &text, 502),
            (format!("200 OK\r\n{EVENTS}"), &event, 502),
            (format!("400 No\r\n{JSON}"), &text, 400),
            (format!("404 No\r\n{JSON}"), &text, 404),
            (format!("500 No\r\n{JSON}"), &text, 500),
        ] {
            let head = format!("{head}content-encoding: {coding}\r\nx-debug: {KEY}\r\n");
            let told = told(&head, text.as_bytes()).await;
            assert_eq!(told.status, status, "{head}");
            assert!(told.says_nothing_secret(), "{head}: {:?}", told.headers);
            assert!(!told.headers.contains_key("content-encoding"), "{head}");
            assert!(status == 502 || told.text().is_empty(), "{head}");
        }
    }
}

#[tokio::test]
async fn what_is_not_in_its_encoding_does_not_go_on() {
    let text = format!(r#"{{"jsonrpc":"2.0","id":7,"error":{{"code":1,"message":"{KEY}"}}}}"#);
    let event = format!("data: {text}\n\n");
    for (head, text) in [
        (format!("200 OK\r\n{JSON}"), &text),
        (format!("200 OK\r\n{EVENTS}"), &event),
        (format!("400 No\r\n{JSON}"), &text),
    ] {
        let mut cases = vec![
            ("gzip", zstd(text)),
            ("zstd", gzip(text)),
            ("gzip", text.clone().into_bytes()),
            ("zstd", text.clone().into_bytes()),
        ];
        for (coding, body) in encoded(text) {
            cases.push((coding, body[..body.len() - 1].to_vec()));
            cases.push((coding, [&*body, text.as_bytes()].concat()));
        }
        for (coding, body) in cases {
            let head = format!("{head}content-encoding: {coding}\r\n");
            let told = told(&head, &body).await;
            assert!(told.status == 502 || told.body.is_none(), "{head}: {}", told.status);
            assert!(told.says_nothing_secret(), "{head}");
        }
    }
}

#[tokio::test]
async fn a_credential_in_two_members_is_masked_too() {
    let text = format!(r#"{{"jsonrpc":"2.0","id":7,"error":{{"code":1,"message":"{KEY}"}}}}"#);
    let (first, second) = text.split_at(text.find(KEY).unwrap() + 5);
    for (coding, body) in [
        ("gzip", [gzip(first), gzip(second)].concat()),
        ("zstd", [zstd(first), zstd(second)].concat()),
    ] {
        let told = told(&format!("400 No\r\n{JSON}content-encoding: {coding}\r\n"), &body).await;
        assert_eq!(told.text(), text.replace(KEY, STARS));
    }
}

#[tokio::test]
async fn a_bomb_is_not_undone_beyond_the_limit() {
    let limits = Limits::default().with_filtered_answer(1 << 20);
    let text = format!(r#"{{"error":"{}"}}"#, "0".repeat(20 << 20));
    for (coding, body) in encoded(&text) {
        for status in ["200 OK", "400 No"] {
            let head = format!("{status}\r\n{JSON}content-encoding: {coding}\r\n");
            let told = told_with(limits, "gzip, zstd", &head, &body).await;
            assert_eq!(told.status, StatusCode::BAD_GATEWAY, "{head}");
            assert!(told.text().contains("more than the 1048576 bytes"), "{}", told.text());
        }
    }
}

#[tokio::test]
async fn a_backend_is_asked_for_no_coding_that_can_not_be_undone() {
    for (accepted, asked) in [
        ("gzip, deflate, br, zstd", "gzip, zstd"),
        ("br;q=1, gzip;q=0.5", "gzip;q=0.5"),
        ("br", "identity"),
        ("*", "identity"),
    ] {
        let head = format!("200 OK\r\n{JSON}");
        let told = told_with(Limits::default(), accepted, &head, b"{}").await;
        let asked = format!("accept-encoding: {asked}\r\n");
        assert!(told.asked.contains(&asked), "{accepted}: {}", told.asked);
    }
}

/// Undoing one takes memory as long as it stands.
#[tokio::test]
async fn a_standing_stream_is_asked_for_without_compression() {
    let answer = b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n";
    let backend = RawBackend::start_bytes(answer, false).await;
    let world = World::start(&[("t", backend.url())], Limits::default()).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", KEY).await;
    world.open("t");
    let request = world.request(Method::GET, "t", &alice).header("accept-encoding", "gzip");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(backend.seen().contains("accept-encoding: identity\r\n"), "{}", backend.seen());
}

#[tokio::test]
async fn an_encoded_event_goes_on_at_once_without_the_credential() {
    let event = format!("data: {{\"method\":\"notifications/message\",\"params\":\"{KEY}\"}}\n\n");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(event.as_bytes()).unwrap();
    gzip.flush().unwrap();
    let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    zstd.write_all(event.as_bytes()).unwrap();
    zstd.flush().unwrap();
    for (coding, begun) in [("gzip", gzip.get_ref()), ("zstd", zstd.get_ref())] {
        let head = format!(
            "HTTP/1.1 200 OK\r\n{EVENTS}content-encoding: {coding}\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n",
            begun.len()
        );
        let answer = [head.as_bytes(), begun, b"\r\n"].concat();
        let backend = RawBackend::drip_bytes(answer.leak(), "").await;
        let world = World::start(&[("t", backend.url())], Limits::default()).await;
        let alice = world.user("alice", &["t"]);
        world.store(&alice, "t", KEY).await;
        world.open("t");
        let request = world.request(Method::GET, "t", &alice).header("accept-encoding", coding);
        let mut response = request.send().await.unwrap();
        let first = timeout(Duration::from_secs(5), response.chunk()).await.unwrap();
        assert_eq!(first.unwrap().unwrap(), event.replace(KEY, STARS));
    }
}
