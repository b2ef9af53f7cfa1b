//! Clients that open streams and wait.

use axum::body::Bytes;
use futures_util::future::join_all;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::gateway::Gateway;

/// How many streams share a connection: fewer than the gateway lets them, and so that a process has the file descriptors.
const SHARED: usize = 100;

/// Streams that are open for as long as this is there.
pub(crate) struct Streams {
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
pub(crate) async fn open(gateway: &Gateway, number: usize) -> Streams {
    let mut streams = Streams { bodies: Vec::new(), senders: Vec::new(), connections: Vec::new() };
    for _ in 0..number.div_ceil(SHARED) {
        let socket = TcpStream::connect(gateway.address).await.unwrap();
        let io = TokioIo::new(socket);
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .handshake::<_, Empty<Bytes>>(io)
            .await
            .unwrap();
        streams.connections.push(tokio::spawn(async move {
            let _: Result<(), hyper::Error> = connection.await;
        }));
        let left = number - streams.bodies.len();
        let opened = (0..left.min(SHARED)).map(|_| stream(sender.clone(), gateway));
        streams.bodies.extend(join_all(opened).await);
        streams.senders.push(sender);
    }
    streams
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
    assert_eq!(first, ": here\n\n");
    body
}
