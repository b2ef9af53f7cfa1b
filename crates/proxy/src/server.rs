//! The HTTP server: limits on headers, time-outs, a graceful end.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Request;
use bonafide_tower::Peer;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::routes::Routes;

/// The head of a request, and how many headers it may have.
const HEAD_BYTES: usize = 64 * 1024;
const HEADERS: usize = 100;

/// What clients may take of the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// How long a client may take to send the head of a request, from the end of the one before.
    pub(crate) head_time: Duration,
    /// How many connections may be open at once. More wait to be accepted.
    pub(crate) connections: usize,
    /// How long open requests may go on after the end was asked for.
    pub(crate) drain_time: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            head_time: Duration::from_secs(15),
            connections: 16 * 1024,
            drain_time: Duration::from_secs(10),
        }
    }
}

/// What a client sends first that speaks HTTP/2 without TLS (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) async fn serve(
    listener: TcpListener,
    routes: Routes,
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let builder = Arc::new(builder(settings));
    let graceful = GracefulShutdown::new();
    // Closed at the end, for connections that no watcher can end yet.
    let (ending, _) = watch::channel(());
    let places = Arc::new(Semaphore::new(settings.connections));
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = &mut shutdown => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer, place)) => {
                let watcher = graceful.watcher();
                let (builder, routes) = (Arc::clone(&builder), routes.clone());
                let mut ending = ending.subscribe();
                connections.spawn(async move {
                    let speaks = tokio::select! {
                        speaks = timeout(settings.head_time, says_something(&stream)) => speaks,
                        _ = ending.changed() => return,
                    };
                    if matches!(speaks, Ok(Ok(true))) {
                        connection(stream, peer, builder, routes, watcher).await;
                    }
                    drop(place);
                });
            }
            // Too many open files, or a client that left at once: both pass.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    routes.drain();
    drop(ending);
    if timeout(settings.drain_time, graceful.shutdown()).await.is_err() {
        tracing::warn!("ended while requests were still open");
    }
    // What is left ends with the set.
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, Peer, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    Ok((stream, Peer(address.ip()), place))
}

fn builder(settings: Settings) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.head_time)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(30))
        .max_header_list_size(HEAD_BYTES as u32)
        .max_concurrent_streams(250);
    builder
}

async fn connection(
    stream: TcpStream,
    peer: Peer,
    builder: Arc<Builder<TokioExecutor>>,
    routes: Routes,
    watcher: Watcher,
) {
    // Events of a stream are small and must not wait for each other.
    let _ = stream.set_nodelay(true);
    // A client that vanished without a word is found out, and its streams end at the backends.
    let probes = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15));
    let _ = SockRef::from(&stream).set_tcp_keepalive(&probes);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        routes.answer(request)
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Waits until it is clear which version of HTTP the client speaks. The server's own time-out begins after that.
async fn says_something(stream: &TcpStream) -> std::io::Result<bool> {
    let mut start = [0; PREFACE.len()];
    loop {
        let read = stream.peek(&mut start).await?;
        let start = start.get(..read).unwrap_or_default();
        if start.is_empty() || start.len() == PREFACE.len() || !PREFACE.starts_with(start) {
            return Ok(!start.is_empty());
        }
        // What is there stays there, so that waiting for readiness would not wait.
        sleep(Duration::from_millis(20)).await;
    }
}
