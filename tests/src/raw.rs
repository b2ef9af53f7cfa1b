//! A backend that answers with whatever bytes a test wants.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What came, by connection.
type Seen = Arc<Mutex<Vec<Vec<u8>>>>;

/// Listens on loopback and says one thing to everybody. Keeps what it was sent.
#[derive(Debug)]
pub struct RawBackend {
    address: std::net::SocketAddr,
    seen: Seen,
    closed: tokio::sync::Mutex<mpsc::UnboundedReceiver<()>>,
    task: JoinHandle<()>,
}

impl RawBackend {
    /// Answers each request with `answer`, and then closes the connection if `close` says so.
    pub async fn start(answer: &'static str, close: bool) -> Self {
        Self::start_bytes(answer.as_bytes(), close).await
    }

    /// The same with an answer that is no text.
    pub async fn start_bytes(answer: &'static [u8], close: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Seen::default();
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

    /// Answers with `head`, and then with `drop` again and again, 100 ms apart.
    pub async fn drip(head: &'static str, drop: &'static str) -> Self {
        Self::drip_bytes(head.as_bytes(), drop).await
    }

    /// The same with a head that is no text.
    pub async fn drip_bytes(head: &'static [u8], drop: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_, closed) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut answer = head;
                    while stream.write_all(answer).await.is_ok() {
                        answer = drop.as_bytes();
                        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    }
                });
            }
        });
        Self { address, seen: Arc::default(), closed: closed.into(), task }
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Everything that was sent so far.
    pub fn seen(&self) -> String {
        self.connections().concat()
    }

    /// The same, connection by connection.
    pub fn connections(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
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

/// Reads until the other side closes; answers each request when its head and a body of the announced length are there.
async fn serve(mut stream: TcpStream, answer: &[u8], close: bool, record: &Mutex<Vec<Vec<u8>>>) {
    let connection = {
        let mut record = record.lock().unwrap();
        record.push(Vec::new());
        record.len() - 1
    };
    let mut requests = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        requests.extend_from_slice(&buffer[..read]);
        record.lock().unwrap()[connection].extend_from_slice(&buffer[..read]);
        while let Some(length) = first_request(&requests) {
            requests.drain(..length);
            if stream.write_all(answer).await.is_err() || close {
                return;
            }
        }
    }
}

/// How long the first request is, if all of it is there.
fn first_request(requests: &[u8]) -> Option<usize> {
    let head = requests.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&requests[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let whole = head + length.map_or(0, |length| length.trim().parse::<usize>().unwrap());
    (requests.len() >= whole).then_some(whole)
}
