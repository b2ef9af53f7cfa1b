//! A backend that answers with whatever bytes a test wants.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Listens on loopback and says one thing to everybody. Keeps what it was sent.
#[derive(Debug)]
pub struct RawBackend {
    address: std::net::SocketAddr,
    seen: Arc<Mutex<Vec<u8>>>,
    closed: tokio::sync::Mutex<mpsc::UnboundedReceiver<()>>,
    task: JoinHandle<()>,
}

impl RawBackend {
    /// Answers each request with `answer`, and then closes the connection if `close` says so.
    pub async fn start(answer: &'static str, close: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (sender, closed) = mpsc::unbounded_channel();
        let record = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (record, sender) = (Arc::clone(&record), sender.clone());
                tokio::spawn(async move {
                    serve(stream, answer, close, &record).await;
                    let _ = sender.send(());
                });
            }
        });
        Self { address, seen, closed: closed.into(), task }
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Everything that was sent so far.
    pub fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    /// Waits until the other side has closed a connection.
    pub async fn closed(&self) {
        self.closed.lock().await.recv().await.unwrap();
    }
}

impl Drop for RawBackend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads until the other side closes; answers once, when the head and a body of the announced length are there.
async fn serve(mut stream: TcpStream, answer: &str, close: bool, record: &Mutex<Vec<u8>>) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    let mut answered = false;
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        request.extend_from_slice(&buffer[..read]);
        record.lock().unwrap().extend_from_slice(&buffer[..read]);
        if !answered && is_whole(&request) {
            answered = true;
            if stream.write_all(answer.as_bytes()).await.is_err() || close {
                return;
            }
        }
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    body.len() >= length.map_or(0, |length| length.trim().parse().unwrap())
}
