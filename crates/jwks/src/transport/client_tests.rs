//! Real HTTP on loopback, from a server that does what it likes.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use bytes::Bytes;
use http::Request;

use super::ReqwestTransport;
use crate::transport::{Limits, Reach, RemoteAddress, Transport, TransportError};

/// A server that sends these bytes to whoever connects, and keeps the connection open when told.
fn server(answer: &'static [u8], keep_open: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer);
            if keep_open {
                open.push(stream);
            }
        }
    });
    port
}

async fn get(url: String, reach: Reach) -> Result<http::Response<Bytes>, TransportError> {
    let limits = Limits { timeout: Duration::from_millis(400), max_bytes: 64, reach };
    let request = Request::builder().uri(url).body(Bytes::new()).unwrap();
    ReqwestTransport.send(request, limits).await
}

#[tokio::test]
async fn an_answer_comes_with_status_headers_body_and_address() {
    let port = server(b"HTTP/1.1 201 Created\r\netag: \"x\"\r\ncontent-length: 2\r\n\r\nhi", false);
    let answer = get(format!("http://127.0.0.1:{port}/"), Reach::ANYWHERE).await.unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["etag"], "\"x\"");
    assert_eq!(answer.body().as_ref(), b"hi");
    assert!(answer.extensions().get::<RemoteAddress>().unwrap().0.is_loopback());
}

#[tokio::test]
async fn a_redirect_is_an_answer_like_any_other() {
    let port = server(b"HTTP/1.1 302 Found\r\nlocation: /b\r\ncontent-length: 0\r\n\r\n", false);
    let answer = get(format!("http://127.0.0.1:{port}/"), Reach::ANYWHERE).await.unwrap();
    assert_eq!(answer.status(), 302);
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_not_read() {
    let said = server(b"HTTP/1.1 200 OK\r\ncontent-length: 65\r\n\r\n", true);
    let unsaid = server(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
        41\r\n0123456789012345678901234567890123456789012345678901234567890123x\r\n0\r\n\r\n",
        true,
    );
    for port in [said, unsaid] {
        let answer = get(format!("http://127.0.0.1:{port}/"), Reach::ANYWHERE).await;
        assert!(matches!(answer, Err(TransportError::TooLarge { max: 64 })), "{answer:?}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_left() {
    let silent = server(b"", true);
    let dripping = server(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", true);
    for port in [silent, dripping] {
        let answer = get(format!("http://127.0.0.1:{port}/"), Reach::ANYWHERE).await;
        assert!(matches!(answer, Err(TransportError::Timeout(_))), "{answer:?}");
    }
}

#[tokio::test]
async fn no_address_out_of_reach_is_connected_to_by_number_or_name() {
    let port = server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false);
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"] {
        let answer = get(format!("http://{host}:{port}/"), Reach::PUBLIC).await;
        assert!(matches!(answer, Err(TransportError::Forbidden)), "{host}: {answer:?}");
    }
    let answer = get(format!("http://localhost:{port}/"), Reach::ANYWHERE).await;
    assert_eq!(answer.unwrap().status(), 200);
}

#[test]
fn without_a_runtime_it_is_an_error_and_no_panic() {
    use futures_util::FutureExt;
    let answer = get("http://127.0.0.1:1/".to_owned(), Reach::ANYWHERE).now_or_never().unwrap();
    assert!(matches!(answer, Err(TransportError::Failed(_))));
}
