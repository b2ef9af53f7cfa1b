//! What `/metrics` says of a proxy that was used, and what it never says.
//!
//! By itself in its process: the first proxy has the process's recorder.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use std::net::SocketAddr;

use bonafide_proxy::{Config, Environment};
use bonafide_testkit::{IdentityProvider, McpBackend};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// In every credential, every claim and everything else that a client says.
const CANARY: &str = "canary7f3a91";

async fn start(files: &tempfile::TempDir, issuer: &str, backend: &str) -> SocketAddr {
    common::write_key(files.path());
    let text = format!(
        r#"listen = "127.0.0.1:0"
public_url = "http://127.0.0.1:1"
[[issuers]]
issuer = "{issuer}"
audiences = ["api://bonafide"]
[vault]
store = "sqlite:bonafide.db"
key = "file:vault.key"
[audit]
sink = "sqlite:bonafide.db"
[policy]
store = "sqlite:bonafide.db"
[tenants.notes]
url = "{backend}"
[tenants.notes.headers]
Authorization = "Bearer ${{KEY}}"
X-User-Id = "${{username}}"
[tenants.notes.variables.KEY]
title = "Key"
[tenants.dead]
url = "http://127.0.0.1:9/mcp"
[[policy.rules]]
id = "team"
groups = ["group-{CANARY}"]
tenants = ["notes", "dead"]
"#
    );
    let file = files.path().join("bonafide.toml");
    let config = Config::parse(&text, &file, &Environment::of_process()).unwrap();
    let (proxy, address) = common::proxy(config).await;
    tokio::spawn(proxy.serve(std::future::pending()));
    address
}

/// Status and answer.
async fn send(address: SocketAddr, line: &str, token: Option<&str>, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let authorization =
        token.map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
    let request = format!(
        "{line} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{authorization}\
         content-type: application/json\r\naccept: application/json, text/event-stream\r\n\
         x-request-id: request-{CANARY}\r\nx-user-id: forged-{CANARY}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_outcomes_and_name_nobody() {
    let (idp, backend) = (IdentityProvider::start().await, McpBackend::start().await);
    let files = tempfile::tempdir().unwrap();
    let proxy = start(&files, idp.issuer(), &backend.url()).await;
    let user = |groups: &[&str]| {
        idp.user(&format!("subject-{CANARY}"))
            .with_audience("api://bonafide")
            .with_claim("preferred_username", json!(format!("name-{CANARY}")))
            .with_claim("email", json!(format!("{CANARY}@example.com")))
            .with_claim("name", json!(format!("Full {CANARY}")))
            .with_claim("tid", json!(format!("directory-{CANARY}")))
            .with_groups(groups.iter().copied())
    };
    let group = format!("group-{CANARY}");
    let (alice, stranger) = (user(&[&group]).token(), user(&["other"]).token());
    let forged = format!("{}x{CANARY}", alice.rsplit_once('.').unwrap().0);
    let call = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"tool_{CANARY}","arguments":{{"a":"{CANARY}"}}}}}}"#
    );
    let initialize = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":"2025-06-18","capabilities":{{}},"clientInfo":{{"name":"{CANARY}","version":"1"}}}}}}"#
    );
    let put = "PUT /api/tenants/notes/variables/KEY";
    let value = format!(r#"{{"value":"secret-{CANARY}"}}"#);

    // One of each outcome that a client can bring about.
    for (line, token, body, expected) in [
        ("POST /notes/mcp", Some(&alice), &call, 200),
        (put, Some(&alice), &value, 204),
        ("POST /notes/mcp", Some(&alice), &initialize, 200),
        ("GET /api/tenants", Some(&alice), &String::new(), 200),
        ("POST /dead/mcp", Some(&alice), &call, 502),
        ("POST /notes/mcp", Some(&stranger), &call, 403),
        (put, Some(&stranger), &value, 403),
        ("POST /notes/mcp", Some(&forged), &call, 401),
        ("POST /notes/mcp", None, &call, 401),
        (&format!("POST /{CANARY}/mcp"), Some(&alice), &call, 404),
        ("POST /notes/mcp", Some(&alice), &format!("{{\"{CANARY}"), 400),
    ] {
        let (status, answer) = send(proxy, line, token.map(String::as_str), body).await;
        assert_eq!(status, expected, "{line}: {answer}");
    }

    let (status, metrics) = send(proxy, "GET /metrics", None, "").await;
    assert_eq!(status, 200, "{metrics}");
    for outcome in ["forwarded", "credential_needed", "denied", "unauthenticated", "backend_failed"]
    {
        let counted = format!("bonafide_mcp_requests_total{{outcome=\"{outcome}\"}} ");
        let count = metrics.split_once(&counted).map(|(_, rest)| rest.chars().next());
        assert!(count.is_some_and(|count| count != Some('0')), "{outcome}: {metrics}");
    }
    assert!(metrics.contains("bonafide_audit_lost_total 0"), "{metrics}");
    // Not in base64 or hex either: tokens have claims so.
    let lowercase = metrics.to_lowercase();
    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(!lowercase.contains(CANARY) && !lowercase.contains(&hex), "{metrics}");
    for part in [&alice, &stranger, &forged].into_iter().flat_map(|token| token.split('.')) {
        assert!(!metrics.contains(part), "{metrics}");
    }
    // Labels have few values, and those are ours.
    for label in metrics.lines().filter_map(|line| line.split_once('{')) {
        assert!(label.1.starts_with("outcome=\""), "a new label, look what it holds: {label:?}");
    }
}
