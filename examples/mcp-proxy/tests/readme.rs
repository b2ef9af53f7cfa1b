//! The README's configuration and commands, run in its order with real parts in the place of its addresses.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use bonafide_testkit::{IdentityProvider, McpBackend};
use serde_json::json;

const README: &str = include_str!("../../../README.md");

/// The fenced blocks of one language.
fn blocks(language: &str) -> Vec<String> {
    let mut blocks = README.split("```").skip(1).step_by(2);
    let mut found = Vec::new();
    for block in &mut blocks {
        if let Some(text) = block.strip_prefix(&format!("{language}\n")) {
            found.push(text.to_owned());
        }
    }
    found
}

fn shell(directory: &Path, script: &str) -> Command {
    let binaries = Path::new(env!("CARGO_BIN_EXE_mcp-proxy")).parent().unwrap();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.args(["-ec", script]).current_dir(directory).env("PATH", path).stdin(Stdio::null());
    command
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_readme_works_as_it_is_written() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("SKIPPED: there is no curl to run the README's commands with");
        return;
    }
    let idp = IdentityProvider::start().await;
    let backend = McpBackend::start().await;
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let origin = format!("http://127.0.0.1:{port}");
    let real = |text: &str| {
        text.replace("https://sso.example.com/realms/main", idp.issuer())
            .replace("https://api.githubcopilot.com/mcp/", &backend.url())
            .replace("https://mcp.example.com", &origin)
            .replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"))
    };
    let directory = tempfile::tempdir().unwrap();
    let [config] = blocks("toml").try_into().unwrap();
    fs::write(directory.path().join("bonafide.toml"), real(&config)).unwrap();
    let alice = idp
        .user("alice")
        .with_audience("mcp-proxy")
        .with_groups(["/mcp/github"])
        .with_claim("typ", json!("Bearer"));
    let key = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
    fs::write(directory.path().join("value.json"), json!({ "value": key }).to_string()).unwrap();
    fs::write(directory.path().join("token"), alice.token()).unwrap();

    let [prepare, serve, store, explain, rotate] = blocks("sh").try_into().unwrap();
    succeed(shell(directory.path(), &real(&prepare)).output().unwrap());
    let exec = format!("exec {}", real(&serve));
    let proxy = Ended(shell(directory.path(), &exec).stderr(Stdio::null()).spawn().unwrap());
    wait_for(&format!("{origin}/healthz")).await;
    let fail_on_error = real(&store).replace("curl ", "curl -sS --fail ");
    succeed(shell(directory.path(), &fail_on_error).env("TOKEN", alice.token()).output().unwrap());
    let explained = succeed(shell(directory.path(), &real(&explain)).output().unwrap());
    assert!(explained.contains("github-team"), "{explained}");

    // All proxies start again when the new key is there.
    let (new_key, seal_again) = rotate.split_at(rotate.find("mcp-proxy vault rewrap").unwrap());
    let exported = succeed(shell(directory.path(), &real(new_key)).output().unwrap());
    assert_eq!(exported, "1 exported\n");
    drop(proxy);
    let _proxy = Ended(shell(directory.path(), &exec).stderr(Stdio::null()).spawn().unwrap());
    wait_for(&format!("{origin}/healthz")).await;
    let rotated = succeed(shell(directory.path(), &real(seal_again)).output().unwrap());
    let [rewrapped, verified]: [&str; 2] = rotated.lines().collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(rewrapped, "1 rewrapped, 0 current, 0 refused, 0 contended");
    assert!(verified.starts_with("1 open, 1 with the key "), "{verified}");

    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "readme", "version": "1" } } });
    let response = reqwest::Client::new()
        .post(format!("{origin}/github/mcp"))
        .bearer_auth(alice.token())
        .header("accept", "application/json, text/event-stream")
        .json(&call)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.text().await.unwrap().contains("bonafide-testkit"));
}

fn succeed(output: Output) -> String {
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    out.into_owned()
}

async fn wait_for(url: &str) {
    for _ in 0..100 {
        if reqwest::get(url).await.is_ok_and(|response| response.status() == 200) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{url} does not answer");
}
