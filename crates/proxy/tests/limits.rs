//! Limits of the file, in force.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use std::time::{Duration, Instant};

use bonafide_proxy::{Config, Environment};
use bonafide_testkit::IdentityProvider;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The answer to a call at a backend that takes connections and never says anything.
async fn call(limits: &str, body: &str) -> String {
    let (idp, files) = (IdentityProvider::start().await, tempfile::tempdir().unwrap());
    let backend = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    common::write_key(files.path());
    let text = format!(
        r#"listen = "127.0.0.1:0"
public_url = "http://127.0.0.1:1"
[[issuers]]
issuer = "{}"
audiences = ["api://bonafide"]
[vault]
store = "memory"
key = "file:vault.key"
[tenants.notes]
url = "http://{}/mcp"
[[policy.rules]]
id = "team"
groups = ["team"]
tenants = ["notes"]
[limits]
{limits}
"#,
        idp.issuer(),
        backend.local_addr().unwrap(),
    );
    let file = files.path().join("bonafide.toml");
    let config = Config::parse(&text, &file, &Environment::of_process()).unwrap();
    let (proxy, address) = common::proxy(config).await;
    tokio::spawn(proxy.serve(std::future::pending()));
    let token = idp.user("alice").with_audience("api://bonafide").with_groups(["team"]).token();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /notes/mcp HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         authorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_the_file_are_in_force() {
    let message = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}"#;
    let started = Instant::now();
    let answer = call("answer_time = \"1s\"", message).await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    let took = started.elapsed();
    assert!(Duration::from_secs(1) <= took && took < Duration::from_secs(20), "{took:?}");

    let long = message.replace("\"x\"", &format!("\"{}\"", "x".repeat(1024)));
    let answer = call("request_body = 1024", &long).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}
