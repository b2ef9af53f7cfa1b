//! Clients that open streams and wait.

use axum::body::Bytes;
use futures_util::future::join_all;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::gateway::Gateway;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Version {
    /// A connection for each stream.
    Http1,
    Http2,
}

/// How many streams share a connection by HTTP/2, or are opened at once: fewer than the gateway lets them, and so that a process has
/// the file descriptors.
const SHARED: usize = 100;

/// What the backend says first.
const FIRST: &str = ": here\n\n";

/// Streams that are open for as long as this is there.
#[derive(Default)]
pub(crate) struct Streams {
    sockets: Vec<TcpStream>,
    bodies: Vec<Incoming>,
    senders: Vec<http2::SendRequest<Empty<Bytes>>>,
    connections: Vec<JoinHandle<()>>,
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.bodies.clear();
        self.senders.clear();
        self.connections.iter().for_each(JoinHandle::abort);
    }
}

/// Opens so many, each with its first words.
pub(crate) async fn open(gateway: &Gateway, number: usize, version: Version) -> Streams {
    let mut streams = Streams::default();
    for opened in (0..number).step_by(SHARED) {
        let some = 0..SHARED.min(number - opened);
        match version {
            Version::Http1 => streams.sockets.extend(join_all(some.map(|_| socket(gateway))).await),
            Version::Http2 => {
                let sender = streams.connect(gateway).await;
                let opened = some.map(|_| stream(sender.clone(), gateway));
                streams.bodies.extend(join_all(opened).await);
                streams.senders.push(sender);
            }
        }
    }
    streams
}

impl Streams {
    async fn connect(&mut self, gateway: &Gateway) -> http2::SendRequest<Empty<Bytes>> {
        let socket = TcpStream::connect(gateway.address).await.unwrap();
        let io = TokioIo::new(socket);
        let (sender, connection) =
            http2::Builder::new(TokioExecutor::new()).handshake(io).await.unwrap();
        self.connections.push(tokio::spawn(async move {
            let _: Result<(), hyper::Error> = connection.await;
        }));
        sender
    }
}

async fn socket(gateway: &Gateway) -> TcpStream {
    let mut socket = TcpStream::connect(gateway.address).await.unwrap();
    let (address, token) = (gateway.address, &gateway.token);
    let request = format!(
        "GET /t/mcp HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Accept: text/event-stream\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let (mut answer, mut buffer) = (String::new(), [0; 1024]);
    while !answer.contains(FIRST) {
        let read = socket.read(&mut buffer).await.unwrap();
        assert!(read > 0, "{answer}");
        answer += str::from_utf8(&buffer[..read]).unwrap();
    }
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    socket
}

async fn stream(mut sender: http2::SendRequest<Empty<Bytes>>, gateway: &Gateway) -> Incoming {
    let request = Request::get(format!("http://{}/t/mcp", gateway.address))
        .header("authorization", format!("Bearer {}", gateway.token))
        .header("accept", "text/event-stream")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let mut body = sender.send_request(request).await.unwrap().into_body();
    let mut first = Bytes::new();
    while first.is_empty() {
        first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    }
    assert_eq!(first, FIRST);
    body
}
