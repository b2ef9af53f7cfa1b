//! HTTP/2, frame by frame: what no client library would send.

use std::time::Duration;

use bonafide_tests::RawBackend;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::world::{ANSWER, World, message};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

const SOON: Duration = Duration::from_secs(10);

/// RFC 9113, section 4.1.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [head, payload.to_vec()].concat()
}

/// A field without compression: RFC 7541, section 6.2.2.
fn field(name: &[u8], value: &[u8]) -> Vec<u8> {
    let text = |text: &[u8]| {
        let mut length = text.len();
        let mut coded = Vec::new();
        if length < 127 {
            coded.push(length as u8);
        } else {
            coded.push(127);
            length -= 127;
            while length >= 128 {
                coded.push((length % 128) as u8 | 128);
                length /= 128;
            }
            coded.push(length as u8);
        }
        [coded, text.to_vec()].concat()
    };
    [vec![0], text(name), text(value)].concat()
}

pub(crate) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

pub(crate) fn pairs(fields: &[(&str, &str)]) -> Fields {
    fields
        .iter()
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect()
}

/// What a well-behaved client would send.
pub(crate) fn fields(world: &World) -> Fields {
    pairs(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/t/mcp"),
        (":authority", &world.address.to_string()),
        ("authorization", &format!("Bearer {}", world.token("alice"))),
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
    ])
}

pub(crate) fn block(fields: &Fields) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| field(name, value)).collect()
}

pub(crate) async fn open(world: &World) -> TcpStream {
    let mut stream = world.connect().await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    stream
}

/// How the first stream ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Answered(Vec<u8>),
    Reset,
    Gone,
}

async fn end(stream: &mut TcpStream) -> End {
    let read = async {
        while let Some(frame) = read_frame(stream).await {
            match (frame.kind, frame.stream) {
                (HEADERS, 1) => return End::Answered(frame.payload),
                (RST_STREAM, 1) => return End::Reset,
                (GOAWAY, _) => return End::Gone,
                _ => {}
            }
        }
        End::Gone
    };
    timeout(SOON, read).await.unwrap()
}

/// As it arrived.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    stream: u8,
    pub(crate) payload: Vec<u8>,
}

/// The next frame. `None` at the end of the connection.
pub(crate) async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> Option<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await.ok()?;
    Some(Frame { kind: head[3], flags: head[4], stream: head[8], payload })
}

/// `:status` 200 is in the static table: RFC 7541, appendix A.
const OK: u8 = 0x88;

/// What becomes of a request with these fields, body and trailers, and what the backend saw.
async fn ask(
    change: impl FnOnce(&mut Fields),
    body: &str,
    trailers: Option<Fields>,
) -> (End, String) {
    let backend = RawBackend::start(ANSWER, false).await;
    let world = World::start(&backend.url()).await;
    let mut fields = fields(&world);
    change(&mut fields);
    let mut stream = open(&world).await;
    let last = if trailers.is_none() { END_STREAM } else { 0 };
    let mut sent = frame(HEADERS, END_HEADERS, 1, &block(&fields));
    sent.extend(frame(DATA, last, 1, body.as_bytes()));
    if let Some(trailers) = trailers {
        sent.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&trailers)));
    }
    stream.write_all(&sent).await.unwrap();
    (end(&mut stream).await, backend.seen())
}

fn set(fields: &mut Fields, name: &str, value: &str) {
    fields.retain(|(known, _)| known != name.as_bytes());
    let at = if name.starts_with(':') { 0 } else { fields.len() };
    fields.insert(at, (name.into(), value.into()));
}

#[tokio::test]
async fn a_good_request_goes_through() {
    let body = message("whoami");
    let (end, seen) = ask(|_| {}, &body, None).await;
    assert!(matches!(&end, End::Answered(block) if block[0] == OK), "{end:?}");
    assert!(seen.starts_with("POST /mcp HTTP/1.1\r\n") && seen.ends_with(&body), "{seen}");
}

#[tokio::test]
async fn fields_that_mean_something_else_in_http_1_are_refused() {
    let body = message("whoami");
    for (name, value) in [
        ("connection", "x-user-id"),
        ("connection", "keep-alive"),
        ("proxy-connection", "keep-alive"),
        ("keep-alive", "timeout=5"),
        ("upgrade", "h2c"),
        ("transfer-encoding", "chunked"),
        ("te", "chunked"),
        ("X-Upper", "case"),
        ("x y", "z"),
        ("x:y", "z"),
        ("x\r\nsmuggled", "1"),
        ("", "empty"),
        ("x", "y\r\nsmuggled: 1"),
        ("x", "y\nsmuggled: 1"),
        ("x", "y\r\n\r\nPOST /smuggled HTTP/1.1\r\n"),
        ("x", "y\0smuggled"),
        ("content-length", "4"),
        ("content-length", "4000"),
        ("content-length", "+71"),
        ("content-length", "71, 71"),
        (":status", "200"),
        (":protocol", "websocket"),
        (":unknown", "1"),
    ] {
        let (end, seen) = ask(|fields| set(fields, name, value), &body, None).await;
        let refused = match &end {
            End::Answered(block) => block[0] != OK,
            End::Reset | End::Gone => true,
        };
        assert!(refused && seen.is_empty(), "{name:?}: {value:?}: {end:?} {seen}");
    }
}

#[tokio::test]
async fn a_pseudo_header_says_one_thing_and_no_more() {
    let body = message("whoami");
    for (name, value) in [
        (":path", "/t/mcp HTTP/1.1\r\nsmuggled: 1"),
        (":path", "/t/mcp HTTP/1.1"),
        (":path", "http://evil.example/t/mcp"),
        (":path", "t/mcp"),
        (":path", ""),
        (":path", "*"),
        (":method", "POST /smuggled HTTP/1.1\r\n"),
        (":method", "POST "),
        (":method", ""),
        (":method", "CONNECT"),
        (":scheme", "http://evil.example/"),
        (":authority", "evil.example"),
        (":authority", "mcp.example.com@evil.example"),
        (":authority", "mcp.example.com\r\nsmuggled: 1"),
        (":authority", ""),
        ("host", "evil.example"),
    ] {
        let (end, seen) = ask(|fields| set(fields, name, value), &body, None).await;
        let refused = match &end {
            End::Answered(block) => block[0] != OK,
            End::Reset | End::Gone => true,
        };
        assert!(refused && seen.is_empty(), "{name}: {value:?}: {end:?} {seen}");
    }
    // Twice, or after the others.
    for (name, value) in
        [(":path", "/t/mcp"), (":method", "POST"), (":authority", "mcp.example.com")]
    {
        let twice = |fields: &mut Fields| fields.insert(0, (name.into(), value.into()));
        let (end, seen) = ask(twice, &body, None).await;
        assert!(matches!(end, End::Reset | End::Gone) && seen.is_empty(), "{name}: {end:?} {seen}");
        let late = |fields: &mut Fields| {
            set(fields, name, value);
            let moved = fields.remove(0);
            fields.push(moved);
        };
        let (end, seen) = ask(late, &body, None).await;
        assert!(matches!(end, End::Reset | End::Gone) && seen.is_empty(), "{name}: {end:?} {seen}");
    }
}

#[tokio::test]
async fn a_trailer_is_no_header() {
    let body = message("whoami");
    for trailers in [
        pairs(&[("authorization", "Bearer forged"), ("x-user-id", "forged")]),
        pairs(&[("content-length", "forged")]),
        pairs(&[("mcp-session-id", "forged")]),
        pairs(&[(":path", "/forged")]),
    ] {
        let (end, seen) = ask(|_| {}, &body, Some(trailers)).await;
        assert!(!seen.contains("forged"), "{seen}");
        let whole = seen.starts_with("POST /mcp HTTP/1.1\r\n") && seen.ends_with(&body);
        let refused = !matches!(&end, End::Answered(block) if block[0] == OK);
        assert!(if refused { seen.is_empty() } else { whole }, "{end:?} {seen}");
    }
}

#[tokio::test]
async fn heads_without_end_and_streams_without_number_end_the_connection() {
    let backend = RawBackend::start(ANSWER, false).await;
    let world = World::start(&backend.url()).await;

    let mut stream = open(&world).await;
    let fields = block(&fields(&world));
    let mut flood = frame(HEADERS, 0, 1, &fields);
    for _ in 0..4000 {
        flood.extend(frame(CONTINUATION, 0, 1, &field(b"x-more", &[b'x'; 100])));
    }
    let _ = stream.write_all(&flood).await;
    assert!(matches!(end(&mut stream).await, End::Gone | End::Reset));

    // Opened and taken back at once, again and again (CVE-2023-44487).
    let mut stream = open(&world).await;
    let mut resets = Vec::new();
    for number in 0..2000 {
        let id = 3 + 2 * number;
        resets.extend(frame(HEADERS, END_HEADERS, id, &fields));
        resets.extend(frame(RST_STREAM, 0, id, &[0, 0, 0, 8]));
    }
    let _ = stream.write_all(&resets).await;
    assert_eq!(end(&mut stream).await, End::Gone);
    // Others are served.
    let health =
        format!("GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", world.address);
    assert!(world.send(health.as_bytes()).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(backend.seen(), "");
}

#[tokio::test]
async fn an_answer_to_head_has_no_body() {
    let backend = RawBackend::start(ANSWER, false).await;
    let world = World::start(&backend.url()).await;
    for path in [
        "/.well-known/oauth-protected-resource/t/mcp",
        "/.well-known/jwks.json",
        "/.well-known/nothing",
        "/t/mcp",
        "/connections/t",
        "/healthz",
    ] {
        let mut stream = open(&world).await;
        let mut fields = fields(&world);
        set(&mut fields, ":path", path);
        set(&mut fields, ":method", "HEAD");
        let head = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&fields));
        stream.write_all(&head).await.unwrap();
        let read = async {
            loop {
                let frame = read_frame(&mut stream).await.unwrap();
                if frame.stream == 1 && [DATA, HEADERS].contains(&frame.kind) {
                    let (kind, last) = (frame.kind, frame.flags & END_STREAM);
                    assert_eq!((kind, last), (HEADERS, END_STREAM), "{path}");
                    return;
                }
            }
        };
        timeout(SOON, read).await.unwrap();
    }
}
