//! A trusted hop in front of the whole proxy.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use std::net::SocketAddr;

use bonafide_proxy::{Config, Environment};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const SECRET: &str = "a secret of the hop that has thirty-two bytes";

fn configuration(peer: &str) -> String {
    format!(
        r#"listen = "127.0.0.1:0"
public_url = "https://mcp.example.com"
[[issuers]]
issuer = "http://127.0.0.1:9"
audiences = ["api://bonafide"]
[trusted_hop]
issuer = "corporate-proxy"
header = "X-Hop-Secret"
secret = "env:HOP_SECRET"
peers = ["{peer}"]
user = "X-Forwarded-User"
groups = "X-Forwarded-Groups"
[vault]
store = "memory"
key = "file:vault.key"
[tenants.notes]
url = "http://127.0.0.1:9/mcp"
[tenants.secret]
url = "http://127.0.0.1:9/mcp"
[[policy.rules]]
id = "hop"
issuer = "corporate-proxy"
groups = ["staff"]
tenants = ["notes"]
[[policy.rules]]
id = "tokens-only"
issuer = "http://127.0.0.1:9"
groups = ["staff"]
tenants = ["secret"]
"#
    )
}

async fn start(files: &tempfile::TempDir, peer: &str) -> SocketAddr {
    common::write_key(files.path());
    let environment = Environment::new(|name| (name == "HOP_SECRET").then(|| SECRET.to_owned()));
    let file = files.path().join("bonafide.toml");
    let config = Config::parse(&configuration(peer), &file, &environment).unwrap();
    let (proxy, address) = common::proxy(config).await;
    tokio::spawn(proxy.serve(std::future::pending()));
    address
}

/// Status and body.
async fn send(address: SocketAddr, head: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{head}host: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

fn said(user: &str, secret: &str) -> String {
    format!("x-hop-secret: {secret}\r\nx-forwarded-user: {user}\r\nx-forwarded-groups: staff\r\n")
}

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_hops_users_reach_what_rules_give_the_hop_and_nothing_else() {
    let files = tempfile::tempdir().unwrap();
    let address = start(&files, "127.0.0.1").await;
    let list = |said: &str| format!("GET /api/tenants HTTP/1.1\r\n{said}");
    let (status, body) = send(address, &list(&said("ada", SECRET)), "").await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("notes") && !body.contains("\"secret\""), "{body}");

    for (tenant, expected) in [("notes", 502), ("secret", 403)] {
        let call = format!("POST /{tenant}/mcp HTTP/1.1\r\n{}", said("ada", SECRET));
        let (status, answer) = send(address, &call, CALL).await;
        assert_eq!(status, expected, "{answer}");
    }
    for said in [
        said("ada", "another secret that has thirty-two bytes"),
        "x-forwarded-user: ada\r\n".to_owned(),
    ] {
        let (status, answer) = send(address, &list(&said), "").await;
        assert_eq!(status, 401, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_alone_is_not_enough() {
    let files = tempfile::tempdir().unwrap();
    let address = start(&files, "10.0.0.7").await;
    for head in ["GET /api/tenants HTTP/1.1\r\n", "POST /notes/mcp HTTP/1.1\r\n"] {
        let forwarded = "x-forwarded-for: 10.0.0.7\r\nforwarded: for=10.0.0.7\r\n";
        let (status, answer) =
            send(address, &format!("{head}{forwarded}{}", said("ada", SECRET)), CALL).await;
        assert_eq!(status, 401, "{answer}");
    }
}
