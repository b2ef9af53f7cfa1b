//! A whole proxy on loopback, and raw connections to it.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use bonafide_proxy::{Config, Environment, Proxy};
use bonafide_testkit::{AUDIENCE, IdentityProvider};
use bonafide_tests::RawBackend;
use bonafide_vault::MasterKey;
use reqwest::{Client, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What a tool answers.
pub(crate) const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
    content-length: 36\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}";

/// Longer than anything takes here that is answered at all.
const PATIENCE: Duration = Duration::from_secs(5);

/// A proxy with the users alice and bob, and the tenant `t`, or `t0`, `t1` and so on, that sends `Authorization: Bearer ${KEY}`, `X-User-Id` and
/// `X-Jira-Key`.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    issuer: IdentityProvider,
    task: JoinHandle<()>,
    _files: tempfile::TempDir,
}

impl World {
    pub(crate) async fn start(backend: &str) -> Self {
        Self::start_with(backend, |proxy| proxy).await
    }

    pub(crate) async fn start_with(backend: &str, set: impl FnOnce(Proxy) -> Proxy) -> Self {
        Self::start_tenants(&[("t".to_owned(), backend.to_owned())], set).await
    }

    /// A tenant for each backend.
    pub(crate) async fn start_many(backends: &[RawBackend]) -> Self {
        let tenants = backends.iter().enumerate();
        let tenants: Vec<_> =
            tenants.map(|(index, backend)| (format!("t{index}"), backend.url())).collect();
        Self::start_tenants(&tenants, |proxy| proxy).await
    }

    async fn start_tenants(tenants: &[(String, String)], set: impl FnOnce(Proxy) -> Proxy) -> Self {
        let issuer = IdentityProvider::start().await;
        let files = tempfile::tempdir().unwrap();
        let key = files.path().join("vault.key");
        fs::write(&key, MasterKey::generate().unwrap().to_base64().expose_secret()).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let text = configuration(issuer.issuer(), tenants);
        let file = files.path().join("bonafide.toml");
        let config = Config::parse(&text, &file, &Environment::new(|_| None)).unwrap();
        let listener = TcpListener::bind(config.listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = set(Proxy::new(config, listener).await.unwrap());
        let task = tokio::spawn(async move { proxy.serve(std::future::pending()).await.unwrap() });
        let world = Self { address, issuer, task, _files: files };
        for (tenant, _) in tenants {
            world.store("alice", tenant).await;
            world.store("bob", tenant).await;
        }
        world
    }

    pub(crate) fn token(&self, user: &str) -> String {
        self.issuer.user(user).with_groups(["staff"]).token()
    }

    /// Everybody's key is their name and `s-key`.
    async fn store(&self, user: &str, tenant: &str) {
        let client = Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}/api/tenants/{tenant}/variables/KEY", self.address);
        let put = client.put(url).bearer_auth(self.token(user));
        let put = put.json(&json!({ "value": format!("{user}s-key") }));
        assert_eq!(put.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    }

    /// The head of a request of this user, without what says how long the body is.
    pub(crate) fn head(&self, line: &str, user: &str) -> String {
        format!(
            "{line}\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\n",
            self.address,
            self.token(user)
        )
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Everything that is answered to these bytes until the connection ends. A server that waits for more is left.
    pub(crate) async fn send(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        let (mut read, mut write) = stream.split();
        let mut answer = Vec::new();
        let talk = async {
            // A server that has refused may have closed before all is written.
            let _ = write.write_all(bytes).await;
            let _ = read.read_to_end(&mut answer).await;
        };
        let _ = timeout(PATIENCE, talk).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The statuses in what was answered.
pub(crate) fn statuses(answer: &str) -> Vec<u16> {
    let lines = answer.split("HTTP/1.1 ").skip(1);
    lines.map(|line| line.get(..3).and_then(|code| code.parse().ok()).unwrap()).collect()
}

/// The message that calls a tool, as it is sent.
pub(crate) fn message(tool: &str) -> String {
    bonafide_tests::call(tool).to_string()
}

fn configuration(issuer: &str, tenants: &[(String, String)]) -> String {
    let mut text = format!(
        r#"listen     = "127.0.0.1:0"
public_url = "https://mcp.example.com"
[[issuers]]
issuer    = "{issuer}"
audiences = ["{AUDIENCE}"]
[vault]
store = "memory"
key   = "file:vault.key"
"#
    );
    for (tenant, backend) in tenants {
        text += &format!(
            r#"[tenants.{tenant}]
url = "{backend}"
[tenants.{tenant}.headers]
Authorization = "Bearer ${{KEY}}"
X-User-Id     = "${{user.subject}}"
X-Jira-Key    = "${{KEY}}"
[tenants.{tenant}.variables.KEY]
title = "Key"
[[policy.rules]]
id      = "staff-{tenant}"
groups  = ["staff"]
tenants = ["{tenant}"]
"#
        );
    }
    text
}
