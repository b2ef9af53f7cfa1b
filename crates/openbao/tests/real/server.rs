//! A development server of OpenBao, and what an administrator does with it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bonafide_openbao::{Credentials, OpenBaoVault, OpenBaoVaultBuilder};
use serde_json::{Value, json};

pub(crate) const ROOT: &str = "root-of-this-test";

pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `None`, and says so, where the real parts are not wanted.
pub(crate) async fn start() -> Option<Server> {
    if std::env::var("BONAFIDE_REAL").as_deref() != Ok("1") {
        println!("SKIPPED openbao: set BONAFIDE_REAL=1 after tests/real/install");
        return None;
    }
    let installed = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/real/venv/bin/bao");
    let program = std::env::var_os("BONAFIDE_BAO").map_or(installed, PathBuf::from);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let process = Command::new(&program)
        .args(["server", "-dev", "-dev-no-store-token"])
        .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
        .arg(format!("-dev-root-token-id={ROOT}"))
        .env("HOME", std::env::temp_dir())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let server = Server { process, address: format!("http://127.0.0.1:{port}") };
    let started = Instant::now();
    loop {
        let health = reqwest::get(format!("{}/v1/sys/health", server.address)).await;
        if health.is_ok_and(|health| health.status() == 200) {
            // The engine at `secret` comes a moment later.
            let (status, mounts) = server.get("sys/mounts").await;
            if status == 200 && !mounts["data"]["secret/"].is_null() {
                return Some(server);
            }
        }
        assert!(started.elapsed() < Duration::from_secs(30), "the server does not start");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl Server {
    pub(crate) fn vault(&self, path: &str) -> OpenBaoVaultBuilder {
        OpenBaoVault::builder(&self.address, Credentials::token(ROOT.into())).with_path(path)
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, None, &json!(null)).await
    }

    /// As the administrator.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        namespace: Option<&str>,
        body: &Value,
    ) -> (u16, Value) {
        let url = format!("{}/v1/{path}", self.address);
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = reqwest::Client::new().request(method, url).header("X-Vault-Token", ROOT);
        if let Some(namespace) = namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        if !body.is_null() {
            request = request.body(body.to_string());
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask("POST", path, None, &body).await;
        assert!(status < 300, "{path}: {status} {answer}");
        answer
    }

    /// An AppRole with the policy of the crate's documentation, for the path `bonafide`. Gives its ids.
    pub(crate) async fn app_role(&self, ttl: &str, max_ttl: &str) -> Credentials {
        let documented = include_str!("../../src/lib.rs");
        let lines = documented.lines().filter_map(|line| line.strip_prefix("//! path \"secret/"));
        let policy: String = lines.map(|line| format!("path \"secret/{line}\n")).collect();
        assert_eq!(policy.lines().count(), 3, "{policy}");
        self.post("sys/policies/acl/bonafide", json!({ "policy": policy })).await;
        let (_, methods) = self.get("sys/auth").await;
        if methods["data"]["approle/"].is_null() {
            self.post("sys/auth/approle", json!({ "type": "approle" })).await;
        }
        let role = json!({
            "token_policies": ["bonafide"], "token_ttl": ttl, "token_max_ttl": max_ttl,
        });
        self.post("auth/approle/role/gateway", role).await;
        let (_, id) = self.get("auth/approle/role/gateway/role-id").await;
        let secret = self.post("auth/approle/role/gateway/secret-id", json!({})).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Credentials::app_role(
            text(&id["data"]["role_id"]).into(),
            text(&secret["data"]["secret_id"]).into(),
        )
    }
}
