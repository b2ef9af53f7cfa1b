//! Tenants and policy read again while the proxy runs.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bonafide_mcp::SharedDirectory;
use bonafide_proxy::{Config, Environment};

fn configuration(tenants: &[&str]) -> String {
    let mut text = r#"listen = "127.0.0.1:0"
public_url = "https://mcp.example.com"
[[issuers]]
issuer = "http://127.0.0.1:9"
audiences = ["api://bonafide"]
[vault]
store = "memory"
key = "file:vault.key"
"#
    .to_owned();
    for tenant in tenants {
        text += &format!("[tenants.{tenant}]\nurl = \"https://{tenant}.example/mcp\"\n");
    }
    text
}

/// Waits until the tenants are these.
async fn has_tenants(directory: &SharedDirectory, expected: &[&str]) {
    let started = Instant::now();
    loop {
        let loaded = directory.load();
        let tenants: Vec<&str> = loaded.tenants().map(|tenant| tenant.id().as_str()).collect();
        if tenants == expected {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "still {tenants:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn ready(address: std::net::SocketAddr) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_takes_effect_and_a_broken_one_does_not() {
    let files = tempfile::tempdir().unwrap();
    common::write_key(files.path());
    let file: PathBuf = files.path().join("bonafide.toml");
    fs::write(&file, configuration(&["one"])).unwrap();

    let config = Config::load(&file, &Environment::of_process()).unwrap();
    let (proxy, address) = common::proxy(config).await;
    let proxy = proxy.with_reload(file.clone());
    let directory = proxy.directory().clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(proxy.serve(async move {
        let _ = stopped.await;
    }));
    has_tenants(&directory, &["one"]).await;

    fs::write(&file, configuration(&["one", "two"])).unwrap();
    has_tenants(&directory, &["one", "two"]).await;
    assert!(!ready(address).await.contains("configuration file"));

    fs::write(&file, "tenants = 5").unwrap();
    let started = Instant::now();
    while !ready(address).await.contains("the configuration file can't be used") {
        assert!(started.elapsed() < Duration::from_secs(20), "the broken file was not noticed");
    }
    has_tenants(&directory, &["one", "two"]).await;

    fs::write(&file, configuration(&["three"])).unwrap();
    has_tenants(&directory, &["three"]).await;
    assert!(!ready(address).await.contains("configuration file"));

    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "it still listens");
}
