//! A backend that begins a stream for everybody, and then has nothing to say.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n\
    8\r\n: here\n\n\r\n";

pub(crate) struct Backend {
    address: SocketAddr,
    open: Arc<AtomicUsize>,
}

impl Backend {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let open = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&open);
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    if begin(&stream).await {
                        count.fetch_add(1, Ordering::Relaxed);
                        until_closed(&stream).await;
                        count.fetch_sub(1, Ordering::Relaxed);
                    }
                });
            }
        });
        Self { address, open }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Waits until so many streams are open.
    pub(crate) async fn has_open(&self, number: usize) {
        let started = Instant::now();
        loop {
            let open = self.open.load(Ordering::Relaxed);
            if open == number {
                // What was freed for it, or by it, is.
                return sleep(Duration::from_millis(500)).await;
            }
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "{open} instead of {number} are open"
            );
            sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn begin(stream: &TcpStream) -> bool {
    let mut request = Vec::new();
    let mut buffer = [0; 2048];
    while !request.ends_with(b"\r\n\r\n") {
        stream.readable().await.unwrap();
        match stream.try_read(&mut buffer) {
            Ok(0) => return false,
            Ok(read) => request.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return false,
        }
    }
    assert!(request.starts_with(b"GET /mcp HTTP/1.1\r\n"), "{}", String::from_utf8_lossy(&request));
    stream.try_write(HEAD).is_ok_and(|written| written == HEAD.len())
}

async fn until_closed(stream: &TcpStream) {
    loop {
        if stream.readable().await.is_err() {
            return;
        }
        match stream.try_read(&mut [0; 64]) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
    }
}
