//! A whole proxy in a process of its own.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bonafide_proxy::{Config, Environment, Proxy};
use bonafide_testkit::{AUDIENCE, IdentityProvider};
use bonafide_vault::MasterKey;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::net::TcpListener;

/// Where the process finds its configuration.
pub(crate) const DIRECTORY: &str = "BONAFIDE_IDLE_GATEWAY";

const FILE: &str = "bonafide.toml";

/// The process: serves until it is ended, and first says where.
pub(crate) fn run(directory: &Path) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(async {
        let config = Config::load(&directory.join(FILE), &Environment::of_process()).unwrap();
        let listener = TcpListener::bind(config.listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = Proxy::new(config, listener).await.unwrap();
        let mut output = std::io::stdout();
        writeln!(output, "{address}").unwrap();
        output.flush().unwrap();
        proxy.serve(std::future::pending()).await.unwrap();
    });
}

pub(crate) struct Gateway {
    process: Child,
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
    _issuer: IdentityProvider,
    _directory: tempfile::TempDir,
}

impl Gateway {
    pub(crate) async fn start(backend: &str) -> Self {
        let issuer = IdentityProvider::start().await;
        let token = issuer.user("alice").with_groups(["staff"]).token();
        let directory = tempfile::tempdir().unwrap();
        let key = directory.path().join("vault.key");
        fs::write(&key, MasterKey::generate().unwrap().to_base64().expose_secret()).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let text = configuration(issuer.issuer(), backend);
        fs::write(directory.path().join(FILE), text).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(DIRECTORY, directory.path()).stdout(Stdio::piped()).stdin(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().parse().unwrap();
        let gateway = Self { process, address, token, _issuer: issuer, _directory: directory };
        gateway.store().await;
        gateway
    }

    async fn store(&self) {
        let url = format!("http://{}/api/tenants/t/variables/KEY", self.address);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let put = client.put(url).bearer_auth(&self.token).json(&json!({ "value": "alices-key" }));
        put.send().await.unwrap().error_for_status().unwrap();
    }

    /// How much of it is in memory, in bytes: proc_pid_status(5), `VmRSS`.
    pub(crate) fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configuration(issuer: &str, backend: &str) -> String {
    format!(
        r#"listen     = "127.0.0.1:0"
public_url = "https://mcp.example.com"
[[issuers]]
issuer    = "{issuer}"
audiences = ["{AUDIENCE}"]
[vault]
store = "memory"
key   = "file:vault.key"
[tenants.t]
url = "{backend}"
[tenants.t.headers]
Authorization = "Bearer ${{KEY}}"
[tenants.t.variables.KEY]
title = "Key"
[[policy.rules]]
id      = "staff"
groups  = ["staff"]
tenants = ["t"]
"#
    )
}
