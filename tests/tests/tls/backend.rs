//! A backend behind TLS that keeps what it was sent.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Bytes;
use futures_util::stream;
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, mpsc};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// How many calls of `meet` are answered at once, and not before.
pub(crate) const MEETING: usize = 8;

/// The name that the backends are called by.
pub(crate) const NAME: &str = "localhost";

/// A request as it came.
pub(crate) struct Seen {
    /// By which connection, counted from 0.
    pub(crate) connection: usize,
    pub(crate) version: Version,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
}

/// Has the tools `whoami`, `meet`, `events` and `wait`, and a stream on GET.
pub(crate) struct Backend {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// The events of its one stream. Closed when nobody waits for them any more.
    pub(crate) events: mpsc::Sender<Bytes>,
    task: JoinHandle<()>,
}

struct Shared {
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    events: Mutex<Option<mpsc::Receiver<Bytes>>>,
    meeting: Barrier,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

impl Backend {
    /// One that says to speak these protocols: RFC 7301, the names as registered with IANA.
    pub(crate) async fn start(mut config: ServerConfig, protocols: &[&str]) -> Self {
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (events, receiver) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            events: Mutex::new(Some(receiver)),
            meeting: Barrier::new(MEETING),
        });
        let task = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(acceptor.clone(), stream, Arc::clone(&shared)));
                }
            }
        });
        Self { address, shared, events, task }
    }

    pub(crate) fn authority(&self) -> String {
        format!("{NAME}:{}", self.address.port())
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}/mcp", self.authority())
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.shared.seen.lock().unwrap()
    }

    /// How many connections were opened, whatever came of them.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, shared: Arc<Shared>) {
    let connection = shared.connections.fetch_add(1, Ordering::Relaxed);
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(|request| answer(Arc::clone(&shared), connection, request));
    let builder = auto::Builder::new(TokioExecutor::new());
    // What becomes of a connection is for the tests to see.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    shared: Arc<Shared>,
    connection: usize,
    request: Request<Incoming>,
) -> Result<Response<Body>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let authorization = parts.headers["authorization"].to_str().unwrap().to_owned();
    let (version, uri, headers) = (parts.version, parts.uri, parts.headers);
    shared.seen.lock().unwrap().push(Seen { connection, version, uri, headers });
    if parts.method == Method::GET {
        return Ok(shared.events());
    }
    let call: Value = serde_json::from_slice(&body.collect().await?.to_bytes()).unwrap();
    match call["params"]["name"].as_str().unwrap() {
        "events" => return Ok(shared.events()),
        "wait" => {
            let _events = shared.events.lock().unwrap().take();
            std::future::pending::<()>().await;
        }
        "meet" => {
            shared.meeting.wait().await;
        }
        _ => {}
    }
    let text = json!([{ "type": "text", "text": authorization }]);
    let answer = json!({ "jsonrpc": "2.0", "id": call["id"], "result": { "content": text } });
    Ok(response("application/json", Full::from(answer.to_string()).boxed_unsync()))
}

impl Shared {
    fn events(&self) -> Response<Body> {
        let mut events = self.events.lock().unwrap().take().unwrap();
        let frames = stream::poll_fn(move |cx| {
            events.poll_recv(cx).map(|event| event.map(|event| Ok(Frame::data(event))))
        });
        response("text/event-stream", StreamBody::new(frames).boxed_unsync())
    }
}

fn response(kind: &str, body: Body) -> Response<Body> {
    Response::builder().header("content-type", kind).body(body).unwrap()
}
