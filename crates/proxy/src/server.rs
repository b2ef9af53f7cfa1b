//! The HTTP server: limits on headers, time-outs, a graceful end.

mod activity;
mod stall;

use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Request;
use bonafide_tower::Peer;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::routes::{HEAD_BYTES, Routes};

use activity::{Activity, Rest};
use stall::Stalls;

/// How many headers a request may have.
const HEADERS: usize = 100;

/// About how much of each answer waits for a client to take it, by HTTP/2 and besides what the kernel keeps.
const SEND_BUFFER: usize = 64 * 1024;

/// How much the kernel takes that it can't send yet, where that can be said. Otherwise it is megabytes, and a client that reads
/// slowly looks like one that does not.
#[cfg(any(target_os = "android", target_os = "linux"))]
const UNSENT: u32 = 128 * 1024;

/// The times that clocks and timers can reckon with: less would be looked for without a pause, and more is no time that there is.
const TIMES: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// What clients may take of the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// How long a client may take to send the head of a request, from the end of the one before, and how long a connection
    /// by HTTP/2 stays on which no request is open.
    pub(crate) head_time: Duration,
    /// How long a client may take nothing of what it is sent.
    pub(crate) stall_time: Duration,
    /// How many connections may be open at once. More wait to be accepted.
    pub(crate) connections: usize,
    /// How long open requests may go on after the end was asked for.
    pub(crate) drain_time: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            head_time: Duration::from_secs(15),
            stall_time: Duration::from_secs(60),
            connections: 16 * 1024,
            drain_time: Duration::from_secs(10),
        }
    }
}

pub(crate) async fn serve(
    listener: TcpListener,
    routes: Routes,
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let server = Arc::new(Server::new(routes, settings));
    // Closed at the end.
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
                let (server, ending) = (Arc::clone(&server), ending.subscribe());
                connections.spawn(async move {
                    server.connection(stream, peer, ending).await;
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
    server.routes.drain();
    drop(ending);
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(settings.drain_time, ended).await.is_err() {
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

/// What all connections are served with.
struct Server {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    routes: Routes,
    settings: Settings,
}

/// The end was asked for once this has changed.
type Ending = watch::Receiver<()>;

impl Server {
    fn new(routes: Routes, mut settings: Settings) -> Self {
        for time in [&mut settings.head_time, &mut settings.stall_time] {
            *time = (*time).clamp(*TIMES.start(), *TIMES.end());
        }
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(settings.head_time)
            .max_buf_size(HEAD_BYTES)
            .max_headers(HEADERS);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(30))
            .max_header_list_size(HEAD_BYTES as u32)
            .max_send_buf_size(SEND_BUFFER)
            .max_concurrent_streams(250);
        Self { http1, http2, routes, settings }
    }

    async fn connection(&self, stream: TcpStream, peer: Peer, mut ending: Ending) {
        set_options(&stream);
        let version = tokio::select! {
            version = timeout(self.settings.head_time, version(&stream)) => version,
            _ = ending.changed() => return,
        };
        let Ok(Ok(Some(version))) = version else { return };
        let stream = Stalls::new(stream, self.settings.stall_time);
        let ended = match version {
            Version::Http1 => self.http1(stream, peer, ending).await,
            // Larger than the other, which most connections are.
            Version::Http2 => Box::pin(self.http2(stream, peer, ending)).await,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }

    async fn http1(&self, stream: Stalls, peer: Peer, mut ending: Ending) -> hyper::Result<()> {
        let service = service_fn(|request| self.routes.answer(with_peer(request, peer)));
        let mut connection = pin!(self.http1.serve_connection(stream, service));
        tokio::select! {
            ended = connection.as_mut() => return ended,
            _ = ending.changed() => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    }

    /// hyper has no time-out for this: as long as the client answers to pings, it would stay.
    async fn http2(&self, stream: Stalls, peer: Peer, mut ending: Ending) -> hyper::Result<()> {
        let Settings { head_time, stall_time, .. } = self.settings;
        let activity = Arc::new(Activity::default());
        let service = service_fn(|request| {
            let answer = self.routes.answer(with_peer(request, peer));
            Arc::clone(&activity).of(answer)
        });
        let mut connection = pin!(self.http2.serve_connection(stream, service));
        tokio::select! {
            ended = connection.as_mut() => return ended,
            rest = activity.rests(head_time, stall_time) => match rest {
                Rest::Idle => {}
                Rest::Stalled => return Ok(()),
            },
            _ = ending.changed() => {}
        }
        // What was sent before the client hears of it is answered.
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            ended = connection => ended,
            _ = activity.rests(stall_time, stall_time) => Ok(()),
        }
    }
}

fn set_options(stream: &TcpStream) {
    // Events of a stream are small and must not wait for each other.
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    // A client that vanished without a word is found out, and its streams end at the backends.
    let probes = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15));
    let _ = socket.set_tcp_keepalive(&probes);
    #[cfg(any(target_os = "android", target_os = "linux"))]
    let _ = socket.set_tcp_notsent_lowat(UNSENT);
}

fn with_peer(mut request: Request<Incoming>, peer: Peer) -> Request<Incoming> {
    request.extensions_mut().insert(peer);
    request
}

#[derive(Debug, Clone, Copy)]
enum Version {
    Http1,
    Http2,
}

/// What a client sends first that speaks HTTP/2 without TLS (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Waits until it is clear which version of HTTP the client speaks, and takes nothing of it. None if it leaves.
async fn version(stream: &TcpStream) -> std::io::Result<Option<Version>> {
    let mut start = [0; PREFACE.len()];
    let mut pause = Duration::from_millis(10);
    loop {
        let read = stream.peek(&mut start).await?;
        let start = start.get(..read).unwrap_or_default();
        if start.is_empty() {
            return Ok(None);
        }
        if !PREFACE.starts_with(start) {
            return Ok(Some(Version::Http1));
        }
        if start.len() == PREFACE.len() {
            return Ok(Some(Version::Http2));
        }
        // What is there stays there, so that waiting for readiness would not wait.
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}
