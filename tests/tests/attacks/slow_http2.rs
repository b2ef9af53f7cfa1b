//! Clients that take their time by HTTP/2, where pings would keep a connection.

use std::ops::ControlFlow;
use std::time::Duration;

use bonafide_tests::RawBackend;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, sleep, timeout};

use crate::http2::{
    DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, SETTINGS, block, fields, frame, open, pairs,
    read_frame,
};
use crate::world::{ANSWER, World, message};

const WINDOW_UPDATE: u8 = 8;
const PING: u8 = 6;

const SHORT: Duration = Duration::from_millis(500);
const SOON: Duration = Duration::from_secs(10);

async fn world(backend: &str) -> World {
    let set = |proxy: bonafide_proxy::Proxy| proxy.with_head_time(SHORT).with_stall_time(SHORT);
    World::start_with(backend, set).await
}

/// Sends pings, and reads frames until the connection ends, or until `done` says so of a frame's kind.
async fn ping(stream: TcpStream, mut done: impl FnMut(u8) -> ControlFlow<()>) {
    let (mut read, mut write) = stream.into_split();
    let pings = async {
        let mut pace = interval(SHORT / 10);
        while write.write_all(&frame(PING, 0, 0, b"anything")).await.is_ok() {
            pace.tick().await;
        }
        std::future::pending::<()>().await;
    };
    let frames = async {
        while let Some(frame) = read_frame(&mut read).await {
            if done(frame.kind).is_break() {
                return;
            }
        }
    };
    tokio::select! {
        () = pings => {}
        () = frames => {}
    }
}

#[tokio::test]
async fn a_connection_that_is_of_no_use_is_not_kept_by_pings() {
    let backend = RawBackend::start(ANSWER, false).await;
    let world = world(&backend.url()).await;
    let stranger = |method, path| {
        let address = world.address.to_string();
        let pseudo = [(":method", method), (":scheme", "http"), (":path", path)];
        block(&pairs(&[&pseudo[..], &[(":authority", &address)]].concat()))
    };
    let ask = |flags, path| frame(HEADERS, flags, 1, &stranger("GET", path));
    // SETTINGS_INITIAL_WINDOW_SIZE: no body can be sent.
    let closed = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let whole = END_HEADERS | END_STREAM;
    for (what, says, sent) in [
        ("nothing", true, Vec::new()),
        ("half a head", true, frame(HEADERS, 0, 1, &stranger("GET", "/t/mcp"))),
        ("half a body", true, frame(HEADERS, END_HEADERS, 1, &stranger("POST", "/t/mcp"))),
        ("a refusal", true, ask(whole, "/t/mcp")),
        (
            "a page that is not taken",
            false,
            [closed.clone(), ask(whole, "/connections/t")].concat(),
        ),
        ("an answer that is not taken", false, [closed, ask(whole, "/metrics")].concat()),
    ] {
        let mut stream = open(&world).await;
        stream.write_all(&sent).await.unwrap();
        let mut told = false;
        let ended = ping(stream, |kind| {
            told |= kind == GOAWAY;
            ControlFlow::Continue(())
        });
        timeout(SOON, ended).await.unwrap_or_else(|_| panic!("it stays for ever: {what}"));
        assert_eq!(told, says, "{what}");
    }
    assert_eq!(backend.seen(), "");
}

#[tokio::test]
async fn a_connection_on_which_something_is_waited_for_is_kept() {
    let events = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    for answer in ["", events] {
        let backend = RawBackend::start(answer, false).await;
        let world = world(&backend.url()).await;
        let kept = ping(call(&world).await, |kind| match kind {
            GOAWAY => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        timeout(SHORT * 8, kept).await.expect_err("its request was still open");
        assert!(backend.seen().starts_with("POST /mcp HTTP/1.1\r\n"));
    }
}

/// More than one window, and more than the server keeps of it.
const LONG: usize = 600 * 1024;

fn long() -> &'static str {
    let text = "x".repeat(LONG);
    let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{{\"x\":\"{text}\"}}}}");
    let length = body.len();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
    String::leak(format!("{head} {length}\r\n\r\n{body}"))
}

/// A call, as a well-behaved client makes it.
async fn call(world: &World) -> TcpStream {
    let mut stream = open(world).await;
    let head = frame(HEADERS, END_HEADERS, 1, &block(&fields(world)));
    let body = frame(DATA, END_STREAM, 1, message("whoami").as_bytes());
    stream.write_all(&[head, body].concat()).await.unwrap();
    stream
}

#[derive(Debug, Default)]
struct Taken {
    bytes: usize,
    whole: bool,
    /// Whether the server said that it would go away.
    told: bool,
}

/// Takes one frame after the other, and makes room for as much again after a pause, or never.
async fn take(stream: TcpStream, pause: impl Fn(usize) -> Option<Duration>) -> Taken {
    let (mut read, mut write) = stream.into_split();
    let mut taken = Taken::default();
    while !taken.whole
        && let Some(next) = read_frame(&mut read).await
    {
        taken.told |= next.kind == GOAWAY;
        if next.kind != DATA {
            continue;
        }
        let length = next.payload.len();
        taken.bytes += length;
        taken.whole = next.flags & END_STREAM != 0;
        if !taken.whole
            && let Some(pause) = pause(taken.bytes)
        {
            sleep(pause).await;
            let more = u32::try_from(length).unwrap().to_be_bytes();
            for stream in [0, 1] {
                let _ = write.write_all(&frame(WINDOW_UPDATE, 0, stream, &more)).await;
            }
        }
    }
    taken
}

#[tokio::test]
async fn an_answer_may_be_taken_slowly_but_not_be_left() {
    let backend = RawBackend::start(long(), false).await;
    let world = world(&backend.url()).await;
    let started = Instant::now();
    let taken = timeout(SOON * 3, take(call(&world).await, |_| Some(SHORT / 10))).await.unwrap();
    assert!(taken.whole && taken.bytes > LONG, "it was broken off: {taken:?}");
    assert!(started.elapsed() > SHORT * 3, "it was not taken slowly");

    let left = |taken| (taken < LONG / 2).then_some(Duration::ZERO);
    let taken = timeout(SOON * 3, take(call(&world).await, left)).await.unwrap();
    assert!(!taken.whole, "it was kept: {taken:?}");
}

#[tokio::test]
async fn a_connection_on_which_an_answer_is_open_is_not_idle() {
    let backend = RawBackend::start(long(), false).await;
    let set = |proxy: bonafide_proxy::Proxy| proxy.with_head_time(SHORT).with_stall_time(SOON);
    let world = World::start_with(&backend.url(), set).await;
    let once = |taken| Some(if taken == 16 * 1024 { SHORT * 4 } else { Duration::ZERO });
    let taken = timeout(SOON * 3, take(call(&world).await, once)).await.unwrap();
    assert!(taken.whole && !taken.told, "{taken:?}");
}
