//! One request that two servers could read as two, or as another.

use bonafide_tests::RawBackend;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::world::{ANSWER, World, message, statuses};

/// What must become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// Answered with an error, and nothing of it reaches the backend.
    Refused,
    /// One request at the backend, with this message and no other.
    One,
    /// Waited for, for as long as a body may take.
    Unfinished,
}
use Expect::{One, Refused, Unfinished};

/// What is answered to a request of alice's, framed by `head` and `body`, and to one behind it that nobody signed, as if it
/// were smuggled.
async fn smuggle(world: &World, tenant: usize, line: &str, head: &str, body: &str) -> Vec<u16> {
    let line = line.replace("/t/", &format!("/t{tenant}/"));
    let (first, address) = (world.head(&line, "alice"), world.address);
    let hidden = message("smuggled");
    let length = hidden.len();
    let sent = format!(
        "{first}{head}\r\n{body}\
         POST /t{tenant}/mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{hidden}\
         GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    );
    statuses(&world.send(sent.as_bytes()).await)
}

/// What the backend was asked, each connection read as strictly as can be.
fn requests(backend: &RawBackend) -> Vec<String> {
    let mut found = Vec::new();
    for connection in backend.connections() {
        let mut rest = &*connection;
        while !rest.is_empty() {
            let (head, after) = rest.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{rest}"));
            let fields = |name: &str| {
                let name = format!("{name}:");
                let named =
                    head.split("\r\n").filter(|line| line.to_ascii_lowercase().starts_with(&name));
                named.map(|line| line[name.len()..].trim().to_owned()).collect::<Vec<_>>()
            };
            assert!(!head.replace("\r\n", "").contains(['\r', '\n', '\0']), "{head}");
            for line in head.split("\r\n").skip(1) {
                let name = line.split(':').next().unwrap();
                assert!(!name.is_empty() && !name.contains([' ', '\t', '_']), "{line}");
            }
            assert_eq!(fields("transfer-encoding"), Vec::<String>::new(), "{head}");
            for name in ["host", "authorization", "x-user-id"] {
                assert_eq!(fields(name).len(), 1, "{name}: {head}");
            }
            assert_eq!(
                fields("authorization"),
                [format!("Bearer {}s-key", fields("x-user-id")[0])]
            );
            let length = fields("content-length");
            assert!(length.len() <= 1, "{head}");
            let length = length.first().map_or(0, |length| length.parse().unwrap());
            let (body, next) = after.split_at(length);
            found.push(format!("{}: {body}", fields("x-user-id")[0]));
            rest = next;
        }
    }
    found
}

async fn check(cases: Vec<(&str, String, String, Expect)>) {
    let good = message("whoami");
    let backends = join_all(cases.iter().map(|_| RawBackend::start(ANSWER, false))).await;
    let world = World::start_many(&backends).await;
    let answers = cases.iter().enumerate();
    let answers =
        answers.map(|(tenant, (line, head, body, _))| smuggle(&world, tenant, line, head, body));
    let answers = join_all(answers).await;
    let outcomes = answers.into_iter().zip(backends.iter().map(requests));
    for ((line, head, body, expect), (statuses, seen)) in cases.into_iter().zip(outcomes) {
        let case: String = format!("{line} {head:?} {body:?}").chars().take(500).collect();
        assert!(!seen.iter().any(|seen| seen.contains("smuggled")), "{case}: {seen:?}");
        let Some((first, others)) = statuses.split_first() else {
            assert_eq!((expect, seen), (Unfinished, Vec::new()), "{case}: no answer");
            continue;
        };
        match expect {
            Refused => {
                assert!((400..500).contains(first), "{case}: {statuses:?}");
                assert_eq!(seen, [""; 0], "{case}");
            }
            Unfinished => panic!("{case}: {statuses:?}"),
            One => {
                assert_eq!(*first, 200, "{case}: {statuses:?}");
                let body = if line.starts_with("POST") { &*good } else { "" };
                assert_eq!(seen, [format!("alice: {body}")], "{case}");
            }
        }
        // What stands behind is nobody's request, if it is read as one at all.
        assert!(
            others.iter().all(|status| [400, 401, 200].contains(status)),
            "{case}: {statuses:?}"
        );
        assert!(
            others.iter().filter(|status| **status == 200).count() <= 1,
            "{case}: {statuses:?}"
        );
    }
}

const POST: &str = "POST /t/mcp HTTP/1.1";

fn chunked(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

#[tokio::test]
async fn a_body_has_one_length() {
    let good = message("whoami");
    let length = good.len();
    let plain = |head: &str, expect| {
        (POST, head.replace("LENGTH", &length.to_string()), good.clone(), expect)
    };
    check(vec![
        plain("Content-Length: LENGTH\r\n", One),
        plain("Content-Length: LENGTH\r\nContent-Length: LENGTH\r\n", One),
        plain("Content-Length: LENGTH\r\nContent-Length: 0\r\n", Refused),
        plain("Content-Length: 0\r\nContent-Length: LENGTH\r\n", Refused),
        plain("Content-Length: LENGTH, LENGTH\r\n", Refused),
        plain("Content-Length: +LENGTH\r\n", Refused),
        plain("Content-Length: -LENGTH\r\n", Refused),
        plain("Content-Length: -0\r\n", Refused),
        plain("Content-Length: 0x47\r\n", Refused),
        plain("Content-Length: LENGTH.0\r\n", Refused),
        plain("Content-Length: 1 0\r\n", Refused),
        plain("Content-Length: 99999999999999999999\r\n", Refused),
        plain("Content-Length: 18446744073709551615\r\n", Refused),
        plain("Content-Length:\r\n", Refused),
        plain("Content-Length: \u{b9}\r\n", Refused),
        plain("Content-Length : LENGTH\r\n", Refused),
        plain("Content_Length: 5\r\nContent-Length: LENGTH\r\n", One),
    ])
    .await;
}

#[tokio::test]
async fn a_transfer_encoding_is_chunked_or_refused() {
    let good = chunked(&message("whoami"));
    let encoded = |head: &str, expect| (POST, head.to_owned(), good.clone(), expect);
    check(vec![
        encoded("Transfer-Encoding: chunked\r\n", One),
        encoded("Transfer-Encoding: chUNked\r\n", One),
        encoded("Transfer-Encoding: \t chunked \r\n", One),
        encoded("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", Refused),
        encoded("Transfer-Encoding: chunked, identity\r\n", Refused),
        encoded("Transfer-Encoding: xchunked\r\n", Refused),
        encoded("Transfer-Encoding: chunked;q=1\r\n", Refused),
        encoded("Transfer-Encoding: \"chunked\"\r\n", Refused),
        encoded("Transfer-Encoding: \u{b}chunked\r\n", Refused),
        encoded("Transfer-Encoding:\r\n chunked\r\n", Refused),
        encoded("Transfer-Encoding : chunked\r\n", Refused),
        encoded("Transfer-Encoding\t: chunked\r\n", Refused),
        encoded(" Transfer-Encoding: chunked\r\n", Refused),
        encoded("X: y\rTransfer-Encoding: chunked\r\n", Refused),
        encoded("Transfer-Encoding: identity\r\n", Refused),
        encoded("Transfer-Encoding: gzip\r\n", Refused),
    ])
    .await;
}

#[tokio::test]
async fn a_length_beside_chunks_is_no_length() {
    let good = message("whoami");
    let both =
        |length: usize| format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n");
    let swapped =
        |length: usize| format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n");
    check(vec![
        (POST, both(4), chunked(&good), One),
        (POST, swapped(4), chunked(&good), One),
        (POST, both(100_000), chunked(&good), One),
        // The body is over at once, for whoever looks at chunks; for the other it is what stands behind.
        (POST, both(500), "0\r\n\r\n".into(), Refused),
        (POST, swapped(500), "0\r\n\r\n".into(), Refused),
        (POST, swapped(5) + "Content-Length: 6\r\n", chunked(&good), One),
    ])
    .await;
}

#[tokio::test]
async fn a_chunk_is_as_long_as_it_says_in_plain_hexadecimal() {
    let good = message("whoami");
    let size = format!("{:x}", good.len());
    let chunk = |size: &str, expect| {
        let body = format!("{size}\r\n{good}\r\n0\r\n\r\n");
        (POST, "Transfer-Encoding: chunked\r\n".to_owned(), body, expect)
    };
    check(vec![
        chunk(&size.to_uppercase(), One),
        chunk(&format!("000{size}"), One),
        chunk(&format!("{size};name=value"), One),
        chunk(&format!("0x{size}"), Refused),
        chunk(&format!("+{size}"), Refused),
        chunk(&format!("-{size}"), Refused),
        chunk(&format!("{size}g"), Refused),
        chunk(&format!("{size};a\nb"), Refused),
        chunk(&format!("f0000000000000{size}"), Unfinished),
        chunk(&format!("10000000000000000{size}"), Refused),
        chunk("", Refused),
        chunk(&format!("{size};{}", "x".repeat(100_000)), Refused),
    ])
    .await;
}

#[tokio::test]
async fn a_trailer_is_no_header() {
    let good = message("whoami");
    let body = |trailers: &str| format!("{:x}\r\n{good}\r\n0\r\n{trailers}\r\n", good.len());
    let head = "Transfer-Encoding: chunked\r\nTrailer: authorization\r\n";
    let trailed = |trailers: &str| (POST, head.to_owned(), body(trailers), One);
    check(vec![
        trailed("Authorization: Bearer forged\r\n"),
        trailed("Content-Length: 500\r\n"),
        trailed("Transfer-Encoding: chunked\r\n"),
        trailed("X-User-Id: bob\r\nMcp-Session-Id: x\r\n"),
        trailed("Host: evil.example\r\n"),
        (POST, head.to_owned(), body(&"X: y\r\n".repeat(100_000)), Refused),
    ])
    .await;
}

#[tokio::test]
async fn a_header_is_one_line_with_a_name_and_a_value() {
    let good = message("whoami");
    let length = format!("Content-Length: {}\r\n", good.len());
    let with = |line: &str, expect| (POST, format!("{line}{length}"), good.clone(), expect);
    check(vec![
        with("X: y\r\n Authorization: Bearer forged\r\n", Refused),
        with("X: y\r\n\tfolded\r\n", Refused),
        with("X: y\rz\r\n", Refused),
        with("X: y\0z\r\n", Refused),
        with("X\0: y\r\n", Refused),
        with("X y: z\r\n", Refused),
        with(": y\r\n", Refused),
        with("no colon\r\n", Refused),
        with("X(): y\r\n", Refused),
        with(&"X: y\r\n".repeat(200), Refused),
        with(&format!("X: {}\r\n", "y".repeat(100_000)), Refused),
    ])
    .await;
}

#[tokio::test]
async fn a_target_names_this_server_and_one_path() {
    let good = message("whoami");
    let length = format!("Content-Length: {}\r\n", good.len());
    let lines = [
        "POST http://evil.example/t/mcp HTTP/1.1",
        "POST https://evil.example/t/mcp HTTP/1.1",
        "POST //evil.example/t/mcp HTTP/1.1",
        "POST /t/mcp/../../u/mcp HTTP/1.1",
        "POST /t%2fmcp HTTP/1.1",
        "POST /t/mcp%00 HTTP/1.1",
        "POST * HTTP/1.1",
        "POST /t/mcp HTTP/1.1 HTTP/1.1",
        "POST /t/mcp\tHTTP/1.1",
        "POST  /t/mcp HTTP/1.1",
        "POST /t/mcp HTTP/1.2",
        "POST /t/mcp HTTP/0.9",
        "POST /t/mcp",
        "P\0ST /t/mcp HTTP/1.1",
        "CONNECT evil.example:443 HTTP/1.1",
        "TRACE /t/mcp HTTP/1.1",
        "PRI /t/mcp HTTP/1.1",
    ];
    check(lines.map(|line| (line, length.clone(), good.clone(), Refused)).to_vec()).await;
    let hosts = ["Host: evil.example\r\n", "Host: 127.0.0.1\r\n", "Host:\r\n"];
    check(hosts.map(|host| (POST, format!("{host}{length}"), good.clone(), Refused)).to_vec())
        .await;
}

#[tokio::test]
async fn a_body_where_none_is_expected_is_not_another_request() {
    let hidden = message("smuggled");
    let inner = format!(
        "POST /t/mcp HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{hidden}",
        hidden.len()
    );
    let get = "GET /t/mcp HTTP/1.1";
    check(vec![
        (get, format!("Content-Length: {}\r\n", inner.len()), inner.clone(), One),
        (get, "Transfer-Encoding: chunked\r\n".to_owned(), chunked(&inner), One),
        (
            get,
            "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n".to_owned(),
            chunked(&inner),
            One,
        ),
        (
            "DELETE /t/mcp HTTP/1.1",
            format!("Content-Length: {}\r\n", inner.len()),
            inner.clone(),
            One,
        ),
    ])
    .await;
}

#[tokio::test]
async fn nobody_is_switched_to_another_protocol() {
    let good = message("whoami");
    let length = format!("Content-Length: {}\r\n", good.len());
    for upgrade in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
    ] {
        check(vec![(POST, format!("{upgrade}{length}"), good.clone(), One)]).await;
    }
    // A backend that switches by itself is no MCP server.
    let switched =
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let backend = RawBackend::start(switched, false).await;
    let world = World::start(&backend.url()).await;
    let head = world.head("GET /t/mcp HTTP/1.1", "alice");
    let sent = format!("{head}Connection: upgrade, close\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(statuses(&world.send(sent.as_bytes()).await), [502]);
    assert!(!backend.seen().to_ascii_lowercase().contains("upgrade"), "{}", backend.seen());
}

#[tokio::test]
async fn each_request_of_a_connection_is_its_own_users() {
    let backend = RawBackend::start(ANSWER, false).await;
    let world = World::start(&backend.url()).await;
    let request = |user: &str, tool: &str| {
        let body = message(tool);
        let head = world.head(POST, user);
        format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    let old = world
        .head("POST /t/mcp HTTP/1.0", "alice")
        .replace("Accept:", "Connection: keep-alive\r\nAccept:");
    let body = message("old");
    let sent = [
        request("alice", "one"),
        request("bob", "two"),
        format!("\r\n{}", request("alice", "three")),
        format!("{old}Content-Length: {}\r\n\r\n{body}", body.len()),
        request("bob", "four").replace("Accept:", "Connection: close\r\nAccept:"),
        request("alice", "after the end"),
    ];
    let answer = world.send(sent.concat().as_bytes()).await;
    assert_eq!(answer.matches(" 200 OK").count(), 5, "{answer}");
    let expected =
        [("alice", "one"), ("bob", "two"), ("alice", "three"), ("alice", "old"), ("bob", "four")];
    let mut expected = expected.map(|(user, tool)| format!("{user}: {}", message(tool))).to_vec();
    let mut seen = requests(&backend);
    expected.sort();
    seen.sort();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on_only_if_it_may() {
    let backend = RawBackend::start(ANSWER, false).await;
    let world = World::start(&backend.url()).await;
    let body = message("whoami");
    let tail = format!(
        "Expect: 100-continue\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let known = format!("{}{tail}{body}", world.head(POST, "alice"));
    assert_eq!(statuses(&world.send(known.as_bytes()).await), [100, 200]);
    assert!(!backend.seen().to_ascii_lowercase().contains("expect"), "{}", backend.seen());
    let unknown = format!("POST /t/mcp HTTP/1.1\r\nHost: {}\r\n{tail}", world.address);
    assert_eq!(statuses(&world.send(unknown.as_bytes()).await), [401]);
}

#[tokio::test]
async fn how_long_a_head_may_be_does_not_depend_on_how_it_arrives() {
    let backend = RawBackend::start(ANSWER, false).await;
    let world = World::start(&backend.url()).await;
    for (length, good) in [(60, true), (66, false), (80, false), (110, false), (130, false)] {
        let request = format!(
            "GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nX-Long: {}\r\n\r\n",
            world.address,
            "x".repeat(length * 1024)
        );
        for piece in [1000, 7000, 8192, 20_000, 50_000, request.len()] {
            let mut stream = world.connect().await;
            let (mut read, mut write) = stream.split();
            let mut answer = Vec::new();
            let send = async {
                for piece in request.as_bytes().chunks(piece) {
                    // It may have been refused by now.
                    let _ = write.write_all(piece).await;
                    tokio::task::yield_now().await;
                }
            };
            let (_, _) = tokio::join!(send, read.read_to_end(&mut answer));
            let found = statuses(&String::from_utf8_lossy(&answer));
            let expected: &[&[u16]] = if good { &[&[200]] } else { &[&[], &[431]] };
            assert!(expected.contains(&&*found), "{length} KiB by {piece}: {found:?}");
        }
    }
}
