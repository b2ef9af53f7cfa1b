//! The HTTP server: limits on headers, time-outs, a graceful end.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tower_service::Service;

/// How long open requests may go on after the end was asked for.
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// How long a client may take to send the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(15);

/// The head of a request, and how many headers it may have.
const HEAD_BYTES: usize = 64 * 1024;
const HEADERS: usize = 100;

pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let builder = builder();
    let graceful = GracefulShutdown::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, _)) => connection(stream, &builder, router.clone(), &graceful),
            // Too many open files, or a client that left at once: both pass.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    if timeout(DRAIN_TIME, graceful.shutdown()).await.is_err() {
        tracing::warn!("ended while requests were still open");
    }
    Ok(())
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
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

fn connection(
    stream: TcpStream,
    builder: &Builder<TokioExecutor>,
    router: Router,
    graceful: &GracefulShutdown,
) {
    // Events of a stream are small and must not wait for each other.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut router = router.clone();
        async move {
            let response: Result<Response<Body>, Infallible> =
                router.call(request.map(Body::new)).await;
            response
        }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
    });
}
