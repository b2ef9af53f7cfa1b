//! Connections without TLS, to a backend that is a bare socket.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use bonafide_headers::Templates;
use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::client::{Backends, CallError};
use super::source::Source;
use crate::{Limits, Tenant};

const TEN: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123456789";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n0123\r\n";

type Answer = Result<Response<Source>, CallError>;

struct World {
    listener: TcpListener,
    backends: Backends,
    tenant: Tenant,
    answer_time: Duration,
}

impl World {
    async fn new(answer_time: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/mcp?a=b", listener.local_addr().unwrap());
        let templates = Templates::builder().build().unwrap();
        Self {
            listener,
            backends: Backends::new(&Limits::default()).unwrap(),
            tenant: Tenant::new("t".parse().unwrap(), url.parse().unwrap(), templates).unwrap(),
            answer_time,
        }
    }

    async fn call(&self) -> Answer {
        let (headers, body) = (HeaderMap::new(), Bytes::from_static(b"hello"));
        self.backends.call(&self.tenant, Method::POST, headers, body, self.answer_time).await
    }

    /// The whole of an answer.
    async fn read(&self) -> Bytes {
        self.call().await.unwrap().collect().await.unwrap().to_bytes()
    }

    async fn accept(&self) -> TcpStream {
        let accepted = timeout(Duration::from_secs(10), self.listener.accept()).await;
        accepted.expect("no connection is opened").unwrap().0
    }

    /// A connection that has served one request.
    async fn open(&self) -> TcpStream {
        let served = async {
            let mut socket = self.accept().await;
            serve(&mut socket, TEN).await;
            socket
        };
        let (body, socket) = tokio::join!(self.read(), served);
        assert_eq!(body, "0123456789");
        socket
    }
}

/// Reads a request and answers it.
async fn serve(socket: &mut TcpStream, answer: &[u8]) {
    let mut request = Vec::new();
    while !request.ends_with(b"hello") {
        let read = timeout(Duration::from_secs(10), socket.read_buf(&mut request)).await;
        assert!(read.expect("no request comes").unwrap() > 0, "closed before the request");
    }
    let head = String::from_utf8_lossy(&request);
    assert!(head.starts_with("POST /mcp?a=b HTTP/1.1\r\nhost: 127.0.0.1:"), "{head}");
    socket.write_all(answer).await.unwrap();
}

/// Waits until the other end has closed.
async fn closed(socket: &mut TcpStream) {
    let mut rest = Vec::new();
    let read = timeout(Duration::from_secs(10), socket.read_to_end(&mut rest)).await;
    let _ = read.expect("it stays open");
}

const TIME: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_connection_is_used_for_one_request_after_the_other() {
    let world = World::new(TIME).await;
    let mut socket = world.open().await;
    let chunked = [CHUNKED, b"0\r\n\r\n"].concat();
    let empty = b"HTTP/1.1 204 No Content\r\n\r\n";
    for (answer, expected) in
        [(TEN, "0123456789"), (&chunked, "0123"), (empty, ""), (TEN, "0123456789")]
    {
        let (body, ()) = tokio::join!(world.read(), serve(&mut socket, answer));
        assert_eq!(body, expected);
    }
}

#[tokio::test]
async fn an_answer_may_be_cut_anywhere() {
    let world = World::new(TIME).await;
    let mut socket = world.open().await;
    let chunked = [CHUNKED, b"4\r\n4567\r\n0\r\n\r\n"].concat();
    for (answer, expected) in [(TEN, "0123456789"), (&chunked, "01234567")] {
        for at in 1..answer.len() {
            let (begin, end) = answer.split_at(at);
            let served = async {
                serve(&mut socket, begin).await;
                sleep(Duration::from_millis(2)).await;
                socket.write_all(end).await.unwrap();
            };
            let (body, ()) = timeout(TIME, async { tokio::join!(world.read(), served) })
                .await
                .unwrap_or_else(|_| panic!("nothing comes after the first {at} bytes"));
            assert_eq!(body, expected, "{at}");
        }
    }
}

#[tokio::test]
async fn requests_at_once_have_a_connection_each() {
    let world = World::new(TIME).await;
    let served = async {
        let (mut one, mut two) = (world.accept().await, world.accept().await);
        tokio::join!(serve(&mut one, TEN), serve(&mut two, TEN));
        (one, two)
    };
    let (first, second, (mut one, mut two)) = tokio::join!(world.read(), world.read(), served);
    assert_eq!((first, second), ("0123456789".into(), "0123456789".into()));
    tokio::join!(world.read(), world.read(), serve(&mut one, TEN), serve(&mut two, TEN));
}

#[tokio::test]
async fn one_that_the_backend_has_closed_is_replaced() {
    let world = World::new(TIME).await;
    for _ in 0..5 {
        drop(world.open().await);
        sleep(Duration::from_millis(10)).await;
    }
}

/// What was not sent over a connection that turns out to be closed is sent over another one.
#[tokio::test]
async fn one_whose_end_went_unnoticed_is_replaced() {
    let world = World::new(TIME).await;
    let socket = world.open().await;
    let kept = world.tenant.plain().unwrap().pool.take().unwrap();
    drop(socket);
    sleep(Duration::from_millis(10)).await;
    kept.release();
    drop(world.open().await);
}

/// Tokio wakes a task at once that has had its share for now, and lets it read nothing before it has made way for others.
#[tokio::test]
async fn who_has_had_enough_makes_way_for_others() {
    let world = World::new(TIME).await;
    let mut socket = world.open().await;
    let (response, ()) = tokio::join!(world.call(), serve(&mut socket, CHUNKED));
    let mut body = response.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    socket.write_all(b"4\r\n4567\r\n0\r\n\r\n").await.unwrap();
    sleep(Duration::from_millis(10)).await;
    assert!(poll_late(pin!(body.frame()), 128).await.is_pending());
    assert_eq!(body.collect().await.unwrap().to_bytes(), "4567");
}

/// A call whose request is there, and the connection that it came over.
async fn begun(world: &World) -> (Pin<Box<impl Future<Output = Answer>>>, TcpStream) {
    let mut call = Box::pin(world.call());
    let accepted = async {
        let mut socket = world.accept().await;
        serve(&mut socket, b"").await;
        socket
    };
    let socket = tokio::select! {
        _ = &mut call => panic!("it is not answered"),
        socket = accepted => socket,
    };
    (call, socket)
}

/// Polls once, by a task that has done so many of the 128 things that Tokio lets it do at a time.
async fn poll_late<F: Future>(mut future: Pin<&mut F>, done: usize) -> Poll<F::Output> {
    poll_fn(|cx| {
        for _ in 0..done {
            let _ = pin!(tokio::task::consume_budget()).poll(cx);
        }
        Poll::Ready(future.as_mut().poll(cx))
    })
    .await
}

#[tokio::test]
async fn an_answer_is_taken_however_much_its_reader_has_done() {
    let world = World::new(TIME).await;
    let closing = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
    for done in 110..=128 {
        let (mut call, mut socket) = begun(&world).await;
        socket.write_all(closing).await.unwrap();
        sleep(Duration::from_millis(10)).await;
        let answer = match poll_late(call.as_mut(), done).await {
            Poll::Ready(answer) => answer,
            Poll::Pending => call.await,
        };
        assert!(answer.is_ok(), "{done}: {answer:?}");
    }
}

/// A backend that sends without end, say, keeps a task busy.
#[tokio::test]
async fn the_time_is_over_however_much_has_been_done() {
    let world = World::new(Duration::from_millis(50)).await;
    let (mut call, _socket) = begun(&world).await;
    sleep(Duration::from_millis(100)).await;
    let answer = poll_late(call.as_mut(), 128).await;
    assert!(matches!(answer, Poll::Ready(Err(CallError::AnswerTime))), "{answer:?}");
}

#[tokio::test]
async fn an_answer_that_nobody_reads_does_not_cost_its_connection_if_it_is_there() {
    let world = World::new(TIME).await;
    let mut socket = world.open().await;
    let (answer, ()) = tokio::join!(world.call(), serve(&mut socket, TEN));
    drop(answer.unwrap());
    tokio::join!(world.read(), serve(&mut socket, TEN));
}

#[tokio::test]
async fn who_leaves_closes_it() {
    let world = World::new(TIME).await;
    // Before there is an answer.
    let left = timeout(Duration::from_millis(50), world.call());
    let (left, mut socket) = tokio::join!(left, world.accept());
    assert!(left.is_err());
    closed(&mut socket).await;
    // In the middle of one.
    let mut socket = world.open().await;
    let (response, ()) = tokio::join!(world.call(), serve(&mut socket, CHUNKED));
    let mut body = response.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "0123");
    drop(body);
    closed(&mut socket).await;
    drop(world.open().await);
}

#[tokio::test]
async fn no_answer_in_time_is_said_to_be_that() {
    let world = World::new(Duration::from_millis(200)).await;
    let mut socket = world.open().await;
    // The timer of the request before goes off too early for this one.
    sleep(Duration::from_millis(120)).await;
    let begin = Instant::now();
    let error = world.call().await.unwrap_err();
    assert!(matches!(error, CallError::AnswerTime), "{error}");
    assert!(begin.elapsed() >= Duration::from_millis(200), "{:?}", begin.elapsed());
    closed(&mut socket).await;
}

/// However long the answer may take, and whoever pretends to speak TLS.
#[tokio::test]
async fn a_connection_is_waited_for_no_longer_than_that() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("https://{}/mcp", listener.local_addr().unwrap());
    let templates = Templates::builder().build().unwrap();
    let tenant = Tenant::new("t".parse().unwrap(), url.parse().unwrap(), templates).unwrap();
    let limits = Limits::default().with_answer_time(Duration::from_millis(200));
    let backends = Backends::new(&limits).unwrap();
    let call = backends.call(&tenant, Method::GET, HeaderMap::new(), Bytes::new(), Duration::MAX);
    let error = timeout(TIME, call).await.expect("it waits for ever").unwrap_err();
    assert!(matches!(error, CallError::ConnectTime(_)), "{error}");
}

#[tokio::test]
async fn a_broken_answer_is_an_error_and_no_connection_is_kept() {
    let world = World::new(TIME).await;
    for broken in [&b"HTTP/1.1 200 O"[..], b"HTTP/1.1 2", b"nonsense\r\n\r\n"] {
        let mut socket = world.open().await;
        let served = async {
            serve(&mut socket, broken).await;
            drop(socket);
        };
        let (answer, ()) = tokio::join!(world.call(), served);
        let error = answer.unwrap_err();
        assert!(matches!(error, CallError::Connection(_)), "{error}");
    }
    let mut socket = world.open().await;
    let served = async {
        serve(&mut socket, CHUNKED).await;
        drop(socket);
    };
    let (answer, ()) = tokio::join!(world.call(), served);
    assert!(answer.unwrap().collect().await.is_err());
    drop(world.open().await);
}

#[tokio::test]
async fn one_that_nobody_uses_is_closed_in_the_second_round() {
    let world = World::new(TIME).await;
    let mut socket = world.open().await;
    let pool = &world.tenant.plain().unwrap().pool;
    pool.round();
    // Used again, it begins anew.
    tokio::join!(world.read(), serve(&mut socket, TEN));
    pool.round();
    pool.round();
    closed(&mut socket).await;
    // One that the backend has closed does not wait for the second.
    drop(world.open().await);
    sleep(Duration::from_millis(10)).await;
    pool.round();
    assert!(pool.take().is_none());
}
