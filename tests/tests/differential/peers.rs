//! Envoy and `jose`, started for this run and ended with it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::tokens::{AUDIENCE, ISSUER};

fn real(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/real")).join(path)
}

/// Envoy with the filter in front of a route that always answers 200.
pub(crate) struct Envoy {
    process: Child,
    port: u16,
    _directory: TempDir,
}

impl Envoy {
    pub(crate) fn start(jwks: &Value) -> Self {
        let port = free_port();
        let directory = TempDir::new().expect("a temporary directory");
        let file = directory.path().join("envoy.json");
        std::fs::write(&file, configuration(port, jwks).to_string()).expect("a configuration");
        let binary = std::env::var_os("BONAFIDE_ENVOY")
            .map_or_else(|| real("venv/bin/envoy"), PathBuf::from);
        let process = Command::new(&binary)
            .args(["--concurrency", "1", "--log-level", "error", "--use-dynamic-base-id", "-c"])
            .arg(&file)
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        let envoy = Self { process, port, _directory: directory };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(20), "Envoy does not listen");
            std::thread::sleep(Duration::from_millis(100));
        }
        envoy
    }

    /// Whether each token gets through.
    pub(crate) fn answers(&self, tokens: &[&str]) -> Vec<bool> {
        tokens.iter().map(|token| self.status(token) == 200).collect()
    }

    fn status(&self, token: &str) -> u16 {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        let request = format!(
            "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("a request");
        // The first line is enough, and Envoy takes a second to close.
        let mut answer = String::new();
        let _ = BufReader::new(stream).read_line(&mut answer);
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("Envoy said {answer:?}"))
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configuration(port: u16, jwks: &Value) -> Value {
    let filter = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"idp": {
            "issuer": ISSUER,
            "audiences": [AUDIENCE],
            "require_expiration": true,
            "clock_skew_seconds": 60,
            "local_jwks": {"inline_string": jwks.to_string()},
        }},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "idp"}}],
    });
    let router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "x",
        "route_config": {"virtual_hosts": [{"name": "x", "domains": ["*"], "routes": [{
            "match": {"prefix": "/"}, "direct_response": {"status": 200},
        }]}]},
        "http_filters": [
            {"name": "envoy.filters.http.jwt_authn", "typed_config": filter},
            {"name": "envoy.filters.http.router", "typed_config": {"@type": router}},
        ],
    });
    let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    json!({"static_resources": {"listeners": [{
        "address": address,
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager", "typed_config": manager,
        }]}],
    }]}})
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// npm's `jose`, under Node.js.
pub(crate) struct Jose;

impl Jose {
    /// Whether each token is accepted.
    pub(crate) fn answers(jwks: &Value, tokens: &[&str]) -> Vec<bool> {
        // The script is read from beside its packages, where Node.js looks for them.
        let modules =
            std::env::var_os("BONAFIDE_NODE_MODULES").map_or_else(|| real(""), PathBuf::from);
        let script = std::fs::read_to_string(real("verify.mjs")).expect("the script");
        let mut node = Command::new("node")
            .args(["--input-type=module", "--eval", &script])
            .current_dir(modules)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node");
        let mut input = node.stdin.take().expect("standard input");
        let terms = json!({"jwks": jwks, "issuer": ISSUER, "audience": AUDIENCE}).to_string();
        let lines: Vec<String> = std::iter::once(terms)
            .chain(tokens.iter().map(|token| json!(token).to_string()))
            .collect();
        let writer = std::thread::spawn(move || writeln!(input, "{}", lines.join("\n")));
        let output = BufReader::new(node.stdout.take().expect("standard output"));
        let answers = output.lines().map(|line| line.expect("a line") == "true").collect();
        writer.join().expect("a writer").expect("all lines written");
        assert!(node.wait().expect("an end").success(), "node failed");
        answers
    }
}
