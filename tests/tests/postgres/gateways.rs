//! Two gateways, as an operator runs them, on one database.
//!
//! Needs `cargo build -p mcp-proxy` first; `BONAFIDE_PROXY` names another binary.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use axum::{Json, Router, routing::post};
use bonafide_testkit::{AUDIENCE, IdentityProvider, Server as Backend};
use bonafide_tests::call;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::server::{Server, connect};

const START_TIME: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// A running `mcp-proxy serve`.
struct Gateway {
    process: Child,
    origin: String,
    token: String,
    http: Client,
}

impl Gateway {
    async fn start(world: &World, name: &str) -> Self {
        let log = world.directory.path().join(format!("{name}.log"));
        let output = File::create(&log).unwrap();
        let mut serve = Command::new(&world.binary);
        serve.args(["serve", "--config"]).arg(world.directory.path().join("bonafide.toml"));
        serve.env("RUST_LOG", "debug").env("NO_PROXY", "127.0.0.1").stdin(Stdio::null());
        serve.env("BONAFIDE_DATABASE", &world.url);
        serve.stdout(output.try_clone().unwrap()).stderr(output);
        let process = serve.spawn().unwrap();
        let (http, token) = (world.http.clone(), world.token.clone());
        let mut gateway = Self { process, origin: String::new(), token, http };
        let started = Instant::now();
        while gateway.origin.is_empty() {
            let said = fs::read_to_string(&log).unwrap();
            let port = said.lines().filter_map(|line| line.strip_prefix("listening on"));
            let port = port.filter_map(|rest| rest.rsplit([' ', ':']).next()).next();
            gateway.origin = port.map_or(String::new(), |port| format!("http://127.0.0.1:{port}"));
            assert_eq!(gateway.process.try_wait().unwrap(), None, "it ended:\n{said}");
            assert!(started.elapsed() < START_TIME, "it is not ready:\n{said}");
            sleep(Duration::from_millis(20)).await;
        }
        // It takes connections before it has read the policy.
        while !gateway.is_ready().await {
            assert!(started.elapsed() < START_TIME, "it is not ready");
            sleep(Duration::from_millis(20)).await;
        }
        gateway
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    async fn enter(&self, key: &str) -> StatusCode {
        let url = format!("{}/api/tenants/notes/variables/KEY", self.origin);
        let put = self.http.put(url).bearer_auth(&self.token).json(&json!({ "value": key }));
        put.send().await.unwrap().status()
    }

    /// What the backend says that it was sent, or what stands in the way.
    async fn call(&self) -> Result<String, String> {
        let post = self.http.post(format!("{}/notes/mcp", self.origin)).bearer_auth(&self.token);
        let post = post.header("accept", "application/json, text/event-stream");
        let answer = post.json(&call("whoami")).send().await.map_err(|error| error.to_string())?;
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        match body["result"]["saw"].as_str() {
            Some(saw) if status.is_success() => Ok(saw.to_owned()),
            _ => Err(format!("{status} {text}")),
        }
    }

    async fn until(&self, expected: Result<&str, &str>) -> Duration {
        let started = Instant::now();
        loop {
            let elapsed = started.elapsed();
            let found = self.call().await;
            let fits = match (&found, expected) {
                (Ok(saw), Ok(expected)) => saw == expected,
                (Err(found), Err(expected)) => found.starts_with(expected),
                _ => false,
            };
            if fits {
                return started.elapsed();
            }
            assert!(elapsed < SECOND, "{expected:?} is not in force: {found:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn is_ready(&self) -> bool {
        let ready = self.http.get(format!("{}/readyz", self.origin)).send().await;
        ready.is_ok_and(|ready| ready.status().is_success())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the gateways have in common.
struct World {
    binary: PathBuf,
    url: String,
    token: String,
    http: Client,
    directory: TempDir,
    _backend: Backend,
    _issuer: IdentityProvider,
}

impl World {
    async fn new(url: String) -> Self {
        let saw = async |headers: HeaderMap| {
            let saw = headers.get("authorization").map(|value| value.to_str().unwrap());
            Json(json!({ "jsonrpc": "2.0", "id": 7, "result": { "content": [], "saw": saw } }))
        };
        let backend = Backend::start(Router::new().route("/mcp", post(saw))).await;
        let issuer = IdentityProvider::start().await;
        issuer.add_user("alice", ["staff"]);
        let token = issuer.user("alice").with_groups(["staff"]).token();
        let directory = tempfile::tempdir().unwrap();
        let binary = binary();
        key(&binary, &directory.path().join("vault.key"));
        let text = configuration(issuer.issuer(), &backend.origin(), &url);
        fs::write(directory.path().join("bonafide.toml"), text).unwrap();
        let http = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        Self { binary, url, token, http, directory, _backend: backend, _issuer: issuer }
    }
}

fn configuration(issuer: &str, backend: &str, url: &str) -> String {
    format!(
        r#"listen     = "127.0.0.1:0"
public_url = "https://mcp.example.com"
[[issuers]]
issuer    = "{issuer}"
audiences = ["{AUDIENCE}"]
[vault]
store = "{url}"
key   = "file:vault.key"
[tenants.notes]
url = "{backend}/mcp"
[tenants.notes.headers]
Authorization = "Bearer ${{KEY}}"
[tenants.notes.variables.KEY]
title = "Key"
[policy]
store = "env:BONAFIDE_DATABASE"
[audit]
sink = "env:BONAFIDE_DATABASE"
"#
    )
}

/// The binary that was built beside this one.
fn binary() -> PathBuf {
    let beside = || Some(std::env::current_exe().ok()?.ancestors().nth(2)?.join("mcp-proxy"));
    let binary = std::env::var_os("BONAFIDE_PROXY").map(PathBuf::from).or_else(beside).unwrap();
    assert!(binary.exists(), "`{}` is missing: run cargo build -p mcp-proxy", binary.display());
    binary
}

fn key(binary: &Path, file: &Path) {
    let key = Command::new(binary).arg("keygen").output().unwrap();
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(file).unwrap();
    std::io::Write::write_all(&mut file, &key.stdout).unwrap();
}

pub(crate) async fn what_changes_at_one_is_in_force_at_both(server: &Server) {
    let url = server.database().await;
    let world = World::new(url.clone()).await;
    let (one, two) = tokio::join!(Gateway::start(&world, "one"), Gateway::start(&world, "two"));
    let sql = connect(&url).await;
    assert!(one.is_ready().await && two.is_ready().await);
    assert_eq!(one.enter("canary-key-0").await, StatusCode::FORBIDDEN, "nothing is allowed yet");
    let table = "bonafide.group_tenant_mapping";
    let allow = format!("INSERT INTO {table} (group_name, tenant) VALUES ('staff', 'notes')");
    sql.batch_execute(&allow).await.unwrap();
    // Allowed, and without a key: no longer what a denial says.
    for gateway in [&one, &two] {
        gateway.until(Err("200")).await;
    }
    let mut longest = Duration::ZERO;
    for round in 0..6 {
        let (here, there) = if round % 2 == 0 { (&one, &two) } else { (&two, &one) };
        let key = format!("canary-key-{round}");
        assert_eq!(here.enter(&key).await, StatusCode::NO_CONTENT);
        let sent = format!("Bearer {key}");
        assert_eq!(here.call().await, Ok(sent.clone()), "where it was entered, at once");
        longest = longest.max(there.until(Ok(&sent)).await);
    }
    println!("6 keys entered at one, used at the other within {longest:?}");
    for (effect, expected) in [("deny", Err("403")), ("allow", Ok("Bearer canary-key-5"))] {
        sql.batch_execute(&format!("UPDATE {table} SET effect = '{effect}'")).await.unwrap();
        for gateway in [&one, &two] {
            longest = longest.max(gateway.until(expected).await);
        }
    }
    // Each call is in the audit, from both.
    let writers = "SELECT count(DISTINCT writer) FROM bonafide.audit WHERE subject = 'alice'";
    let started = Instant::now();
    while sql.query_one(writers, &[]).await.unwrap().get::<_, i64>(0) < 2 {
        assert!(started.elapsed() < Duration::from_secs(10), "the audit lacks one of the two");
        sleep(Duration::from_millis(50)).await;
    }
    for name in ["one.log", "two.log"] {
        let log = fs::read_to_string(world.directory.path().join(name)).unwrap();
        assert!(!log.contains("canary") && !log.contains(&world.token), "{log}");
    }
}

pub(crate) async fn one_serves_while_the_other_is_killed(server: &Server) {
    let url = server.database().await;
    let world = World::new(url.clone()).await;
    let mut one = Gateway::start(&world, "one").await;
    let two = Gateway::start(&world, "two").await;
    let sql = connect(&url).await;
    let table = "bonafide.group_tenant_mapping";
    let allow = format!("INSERT INTO {table} (group_name, tenant) VALUES ('staff', 'notes')");
    sql.batch_execute(&allow).await.unwrap();
    two.until(Err("200")).await;
    one.until(Err("200")).await;
    assert_eq!(one.enter("first").await, StatusCode::NO_CONTENT);
    two.until(Ok("Bearer first")).await;

    let (two, done) = (Arc::new(two), Arc::new(AtomicBool::new(false)));
    let serving = {
        let (two, done) = (Arc::clone(&two), Arc::clone(&done));
        tokio::spawn(async move {
            let mut served = 0;
            while !done.load(Ordering::SeqCst) {
                assert_eq!(two.call().await, Ok("Bearer first".to_owned()));
                served += 1;
            }
            served
        })
    };
    for round in 0..3 {
        sleep(Duration::from_millis(200)).await;
        one.kill();
        one = Gateway::start(&world, &format!("one-{round}")).await;
        assert_eq!(one.call().await, Ok("Bearer first".to_owned()), "started again");
    }
    done.store(true, Ordering::SeqCst);
    let served = serving.await.unwrap();
    println!("3 kills of one, {served} calls served by the other meanwhile, none failed");
    assert!(served > 20, "{served}");
    // The other way round, with a change that the one which is left makes.
    Arc::into_inner(two).unwrap().kill();
    assert_eq!(one.enter("second").await, StatusCode::NO_CONTENT);
    assert_eq!(one.call().await, Ok("Bearer second".to_owned()));
    let two = Gateway::start(&world, "two-again").await;
    assert_eq!(two.call().await, Ok("Bearer second".to_owned()));
}

/// Not ready, and saying why, while the database is away; then ready again, without a restart.
pub(crate) async fn says_that_it_is_not_ready_while_the_database_is_away(_: &Server) {
    let server = Server::start();
    let world = World::new(server.database().await).await;
    let gateway = Gateway::start(&world, "one").await;
    assert!(gateway.is_ready().await);
    server.stop();
    // What was read before is believed for a second.
    let started = Instant::now();
    while gateway.is_ready().await {
        assert!(started.elapsed() < Duration::from_secs(10), "it goes on as if nothing was");
        sleep(Duration::from_millis(50)).await;
    }
    let answer = gateway.http.get(format!("{}/readyz", gateway.origin)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let said = answer.text().await.unwrap();
    assert!(said.contains("the vault can't be read"), "{said}");
    server.run();
    let started = Instant::now();
    while !gateway.is_ready().await {
        assert!(started.elapsed() < Duration::from_secs(10), "it does not come back");
        sleep(Duration::from_millis(50)).await;
    }
}
