//! Clients that take their time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bonafide_mcp::Limits;
use bonafide_tests::RawBackend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::world::{ANSWER, World, message, statuses};

const SHORT: Duration = Duration::from_millis(500);
const SOON: Duration = Duration::from_secs(10);

/// Sends one byte after another until the other side closes, and says when that was and what it said.
async fn dribble(mut stream: TcpStream, bytes: &[u8]) -> (Duration, String) {
    let started = Instant::now();
    let (mut read, mut write) = stream.split();
    let mut answer = Vec::new();
    let send = async {
        for byte in bytes {
            if write.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        sleep(SOON).await;
    };
    tokio::select! {
        () = send => panic!("nobody minded"),
        read = read.read_to_end(&mut answer) => drop(read),
    }
    (started.elapsed(), String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test]
async fn a_head_that_does_not_come_to_an_end_ends_the_connection() {
    let backend = RawBackend::start(ANSWER, false).await;
    let world = World::start_with(&backend.url(), |proxy| proxy.with_head_time(SHORT)).await;
    let head = world.head("POST /t/mcp HTTP/1.1", "alice");
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for bytes in
        [&*head, preface, "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n", "P"]
    {
        let (took, answer) = dribble(world.connect().await, bytes.as_bytes()).await;
        assert!(took < SOON, "{bytes}: {took:?}");
        assert!(statuses(&answer).iter().all(|status| *status == 408), "{bytes}: {answer}");
    }
    let (took, _) = dribble(world.connect().await, b"").await;
    assert!(took < SOON, "{took:?}");
    assert_eq!(backend.seen(), "");
}

#[tokio::test]
async fn a_connection_that_is_idle_after_a_request_ends() {
    let backend = RawBackend::start(ANSWER, false).await;
    let world = World::start_with(&backend.url(), |proxy| proxy.with_head_time(SHORT)).await;
    let mut stream = world.connect().await;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", world.address);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(SOON, stream.read_to_string(&mut answer)).await.expect("it stays for ever").unwrap();
    assert_eq!(statuses(&answer), [200]);
}

#[tokio::test]
async fn a_body_that_does_not_come_to_an_end_is_a_408() {
    let backend = RawBackend::start(ANSWER, false).await;
    let limits = Limits::default().with_request_time(SHORT);
    let world = bonafide_tests::World::start(&[("t", backend.url())], limits).await;
    let alice = world.user("alice", &["t"]);
    world.store(&alice, "t", "key").await;
    for framing in ["Content-Length: 4000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nfff\r\n"] {
        let (address, token) = (world.address(), alice.token());
        let head = format!(
            "POST /t/mcp HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n{framing}"
        );
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let (took, answer) = dribble(stream, &[b' '; 400]).await;
        assert!(took < SOON, "{took:?}");
        assert_eq!(statuses(&answer), [408], "{answer}");
    }
    assert_eq!(backend.seen(), "");
}

/// A backend that has no end, and how much of it was taken.
async fn endless(head: &'static str, piece: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (count, piece) = (Arc::clone(&count), piece.clone());
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 8192]).await;
                let _ = stream.write_all(head.as_bytes()).await;
                while stream.write_all(piece.as_bytes()).await.is_ok() {
                    count.fetch_add(piece.len(), Ordering::Relaxed);
                }
            });
        }
    });
    (url, taken)
}

/// A call, as a well-behaved client makes it.
async fn call(world: &World) -> TcpStream {
    let mut stream = world.connect().await;
    let body = message("whoami");
    let head = world.head("POST /t/mcp HTTP/1.1", "alice");
    let sent = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(sent.as_bytes()).await.unwrap();
    stream
}

/// What the kernel and both connections may hold at most.
const HELD: usize = 24 * 1024 * 1024;

#[tokio::test]
async fn a_client_that_does_not_read_holds_its_backend_back() {
    let json = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
    let events = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let event = format!("data: {{\"result\":{{\"x\":\"{}\"}}}}\n\n", "x".repeat(64 * 1024));
    for (head, piece) in [(json, "[[[[".repeat(16 * 1024)), (events, event)] {
        let (url, taken) = endless(head, piece).await;
        let world = World::start(&url).await;
        let mut stream = call(&world).await;
        let mut start = [0; 12];
        timeout(SOON, stream.read_exact(&mut start)).await.unwrap().unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
        // Until nothing moves any more.
        let mut before = 0;
        let started = Instant::now();
        loop {
            sleep(Duration::from_millis(500)).await;
            let now = taken.load(Ordering::Relaxed);
            assert!(
                now < HELD && started.elapsed() < Duration::from_secs(60),
                "{now} bytes were taken"
            );
            if now == before && now > 0 {
                break;
            }
            before = now;
        }
        // And it goes on when the client does.
        let mut buffer = vec![0; 1024 * 1024];
        let started = Instant::now();
        while taken.load(Ordering::Relaxed) == before {
            timeout(SOON, stream.read(&mut buffer)).await.unwrap().unwrap();
            assert!(started.elapsed() < Duration::from_secs(60), "it does not go on");
        }
    }
}

#[tokio::test]
async fn a_client_that_asks_and_never_reads_is_left() {
    let backend = RawBackend::start(ANSWER, false).await;
    let world = World::start_with(&backend.url(), |proxy| proxy.with_stall_time(SHORT)).await;
    // Nobody who has a token, and every request is answered.
    let request = format!("GET /t/mcp HTTP/1.1\r\nHost: {}\r\n\r\n", world.address);
    let many = request.repeat(1000);
    let mut stream = world.connect().await;
    let ask = async { while stream.write_all(many.as_bytes()).await.is_ok() {} };
    timeout(SOON * 3, ask).await.expect("it stays for ever");
    assert_eq!(backend.seen(), "");
}

#[tokio::test]
async fn the_longest_times_are_times() {
    let backend = RawBackend::start(ANSWER, false).await;
    let set = |proxy: bonafide_proxy::Proxy| {
        proxy.with_head_time(Duration::MAX).with_stall_time(Duration::MAX)
    };
    let world = World::start_with(&backend.url(), set).await;
    let health =
        format!("GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", world.address);
    assert_eq!(statuses(&world.send(health.as_bytes()).await), [200]);
}

#[tokio::test]
async fn a_client_that_reads_slowly_is_not_one_that_never_reads() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let event = format!("data: {{\"result\":{{\"x\":\"{}\"}}}}\n\n", "x".repeat(64 * 1024));
    let (url, _) = endless(head, event).await;
    let world = World::start_with(&url, |proxy| proxy.with_stall_time(SHORT * 2)).await;
    let mut stream = call(&world).await;
    let mut buffer = vec![0; 32 * 1024];
    let started = Instant::now();
    while started.elapsed() < SHORT * 16 {
        let read = timeout(SOON, stream.read(&mut buffer)).await.unwrap();
        assert!(matches!(read, Ok(1..)), "left after {:?}: {read:?}", started.elapsed());
        sleep(SHORT / 10).await;
    }
}

#[tokio::test]
async fn half_open_connections_keep_others_out_for_no_longer_than_a_head_may_take() {
    let backend = RawBackend::start(ANSWER, false).await;
    let set = |proxy: bonafide_proxy::Proxy| proxy.with_head_time(SHORT * 4).with_connections(20);
    let world = World::start_with(&backend.url(), set).await;
    let ask = || async {
        let request = format!(
            "GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            world.address
        );
        let mut stream = world.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.map(|_| statuses(&answer))
    };
    let mut half_open = Vec::new();
    for _ in 0..15 {
        let mut stream = world.connect().await;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost:").await.unwrap();
        half_open.push(stream);
    }
    // There is room for others yet.
    let started = Instant::now();
    assert_eq!(timeout(SOON, ask()).await.unwrap().unwrap(), [200]);
    assert!(started.elapsed() < SHORT * 4, "they were waited for");
    for _ in 0..40 {
        half_open.push(world.connect().await);
    }
    // Now there is none, until those have had their time.
    assert_eq!(timeout(SOON * 3, ask()).await.expect("nobody gets in").unwrap(), [200]);
}
