//! Rules in a database, beside those of the file, while the proxy runs.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bonafide_mcp::SharedDirectory;
use bonafide_policy::{Mapping, MappingStore, Persona};
use bonafide_proxy::{
    Config, Environment, PolicyAdmin, PolicyAdminError, PolicyConfig, Proxy, StartError,
};
use bonafide_sqlite::SqliteFile;
use bonafide_testkit::IdentityProvider;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const LIMIT: Duration = Duration::from_secs(30);

struct World {
    files: TempDir,
    issuer: String,
}

impl World {
    fn new(issuer: &str) -> Self {
        let world = Self { files: tempfile::tempdir().unwrap(), issuer: issuer.to_owned() };
        common::write_key(world.files.path());
        world.write(&["one-a", "one-b", "two-a", "two-b", "zoo"]);
        world
    }

    /// The configuration with these tenants; the last one is for everybody in `dev`.
    fn write(&self, tenants: &[&str]) {
        let mut text = format!(
            "listen = \"127.0.0.1:0\"\npublic_url = \"http://127.0.0.1:1\"\n\
             [[issuers]]\nissuer = \"{}\"\naudiences = [\"api://bonafide\"]\n\
             [vault]\nstore = \"sqlite:bonafide.db\"\nkey = \"file:vault.key\"\n\
             [audit]\nsink = \"sqlite:bonafide.db\"\n\
             [policy]\nstore = \"sqlite:bonafide.db\"\n\
             [[policy.rules]]\nid = \"file\"\ngroups = [\"dev\"]\ntenants = [\"{}\"]\n",
            self.issuer,
            tenants.last().unwrap(),
        );
        for tenant in tenants {
            text += &format!("[tenants.{tenant}]\nurl = \"https://{tenant}.example/mcp\"\n");
        }
        fs::write(self.file(), text).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.files.path().join("bonafide.toml")
    }

    /// As another process has it.
    fn mapping(&self) -> impl MappingStore {
        SqliteFile::open(self.files.path().join("bonafide.db")).unwrap().mapping()
    }

    async fn start(&self) -> Running {
        let config = Config::load(&self.file(), &Environment::of_process()).unwrap();
        let (proxy, address) = common::proxy(config).await;
        let proxy = proxy.with_reload(self.file());
        let directory = proxy.directory().clone();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(proxy.serve(async move {
            let _ = stopped.await;
        }));
        Running { address, directory, serving, stop }
    }
}

struct Running {
    address: SocketAddr,
    directory: SharedDirectory,
    serving: JoinHandle<std::io::Result<()>>,
    stop: tokio::sync::oneshot::Sender<()>,
}

impl Running {
    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap().unwrap();
    }

    async fn get(&self, path: &str) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn until(&self, what: &str, condition: impl AsyncFn(&Self) -> bool) {
        let started = Instant::now();
        while !condition(self).await {
            assert!(started.elapsed() < LIMIT, "{what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// What somebody in the group `dev` reaches.
fn reached(directory: &SharedDirectory, issuer: &str) -> Vec<String> {
    let ann = Persona::new(issuer.parse().unwrap(), "ann".parse().unwrap())
        .with_groups(["dev".parse().unwrap()]);
    let reach = directory.load().policy().what_if(&ann);
    let mut tenants: Vec<_> = reach.iter().map(|reached| reached.tenant().to_string()).collect();
    tenants.sort();
    tenants
}

const ISSUER: &str = "http://127.0.0.1:9";

fn pair(name: &str) -> Vec<Mapping> {
    ["a", "b"].map(|end| Mapping::allow("dev", format!("{name}-{end}"))).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_rules_besides_those_of_the_file_and_change_within_a_second() {
    let world = World::new(ISSUER);
    let mapping = world.mapping();
    mapping.add(pair("one")).await.unwrap();
    let proxy = world.start().await;
    assert_eq!(reached(&proxy.directory, ISSUER), ["one-a", "one-b", "zoo"]);
    let started = Instant::now();
    mapping.replace(pair("two")).await.unwrap();
    let there = async |proxy: &Running| reached(&proxy.directory, ISSUER)[0] == "two-a";
    proxy.until("the new rows are not in force", there).await;
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(reached(&proxy.directory, ISSUER), ["two-a", "two-b", "zoo"]);

    // A change of the file keeps the rows.
    world.write(&["two-a", "two-b", "new"]);
    let there = async |proxy: &Running| reached(&proxy.directory, ISSUER)[0] == "new";
    proxy.until("the new file is not in force", there).await;
    assert_eq!(reached(&proxy.directory, ISSUER), ["new", "two-a", "two-b"]);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_wrong_leave_everything_as_it_was_and_say_so() {
    let world = World::new(ISSUER);
    let mapping = world.mapping();
    mapping.add(pair("one")).await.unwrap();
    let proxy = world.start().await;
    let stale = async |proxy: &Running| {
        proxy.get("/readyz").await.contains("the rules in the database can't be used")
    };
    assert!(!stale(&proxy).await);
    let before = reached(&proxy.directory, ISSUER);

    let wrong = mapping.add(vec![Mapping::allow("dev", "nowhere")]).await.unwrap();
    proxy.until("nobody says that a row is wrong", stale).await;
    assert_eq!(reached(&proxy.directory, ISSUER), before);
    // A right row does not go in force beside a wrong one.
    mapping.add(pair("two")).await.unwrap();
    // Nor does a right file.
    world.write(&["one-a", "one-b", "two-a", "two-b", "zoo", "new"]);
    let refused = async |proxy: &Running| {
        proxy.get("/readyz").await.contains("the configuration file can't be used")
    };
    proxy.until("nobody says that the file is not in force", refused).await;
    assert_eq!(reached(&proxy.directory, ISSUER), before);
    assert_eq!(proxy.directory.load().tenants().count(), 5);
    let metrics = proxy.get("/metrics").await;
    if metrics.starts_with("HTTP/1.1 200") {
        assert!(metrics.contains("bonafide_policy_stale 1"), "{metrics}");
        assert!(
            metrics.contains("bonafide_policy_reloads_total{outcome=\"refused\"}"),
            "{metrics}"
        );
        assert!(metrics.contains("bonafide_audit_lost_total 0"), "{metrics}");
    }

    mapping.remove(vec![wrong[0].id]).await.unwrap();
    let repaired = async |proxy: &Running| !stale(proxy).await;
    proxy.until("the repaired rows are not in force", repaired).await;
    // The file that waited for them is, too.
    let expected = ["new", "one-a", "one-b", "two-a", "two-b"];
    assert_eq!(reached(&proxy.directory, ISSUER), expected);
    assert!(!refused(&proxy).await);
    proxy.stop().await;
}

#[tokio::test]
async fn without_a_policy_before_wrong_rows_are_refused_at_the_start() {
    let world = World::new(ISSUER);
    let wrong = world.mapping().add(vec![Mapping::allow("dev", "nowhere")]).await.unwrap();
    let config = Config::load(&world.file(), &Environment::of_process()).unwrap();
    let listener = TcpListener::bind(config.listen).await.unwrap();
    let error = Proxy::new(config, listener).await.unwrap_err();
    let StartError::Policy(error) = error else { panic!("{error:?}") };
    let said = format!("`group_tenant_mapping`, row {}, column `tenant`: ", wrong[0].id);
    assert!(error.to_string().starts_with(&said), "{error}");
}

/// Each set of rows gives two tenants. Whoever saw one of each saw half of two policies.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_load_every_decision_is_of_the_old_rows_or_of_the_new_ones() {
    let world = World::new(ISSUER);
    let mapping = world.mapping();
    mapping.add(pair("one")).await.unwrap();
    let proxy = world.start().await;
    let done = Arc::new(AtomicBool::new(false));
    let decided = [0, 1].map(|_| {
        let (directory, done) = (proxy.directory.clone(), Arc::clone(&done));
        std::thread::spawn(move || {
            let mut decided = 0_u64;
            while !done.load(Ordering::Relaxed) {
                let found = reached(&directory, ISSUER);
                let whole = [["one-a", "one-b", "zoo"], ["two-a", "two-b", "zoo"]];
                assert!(whole.iter().any(|whole| found == *whole), "half: {found:?}");
                decided += 1;
            }
            decided
        })
    });
    for round in 0..8 {
        let (name, first) = [("two", "two-a"), ("one", "one-a")][round % 2];
        mapping.replace(pair(name)).await.unwrap();
        let there = async |proxy: &Running| reached(&proxy.directory, ISSUER)[0] == first;
        proxy.until("the new rows are not in force", there).await;
        assert!(decided.iter().all(|thread| !thread.is_finished()), "half of two policies");
    }
    done.store(true, Ordering::Relaxed);
    for thread in decided {
        assert!(thread.join().unwrap() > 0);
    }
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_are_in_the_audit_when_the_proxy_ends() {
    let idp = IdentityProvider::start().await;
    let world = World::new(idp.issuer());
    let proxy = world.start().await;
    let alice = idp.user("alice").with_audience("api://bonafide").with_groups(["dev"]);
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let request = format!(
        "POST /one-a/mcp HTTP/1.1\r\nhost: 127.0.0.1:1\r\nauthorization: Bearer {}\r\n\
         x-request-id: r-1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        alice.token(),
        body.len()
    );
    let answer = {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(proxy.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    proxy.stop().await;
    let rows = audit(&world.files.path().join("bonafide.db"));
    assert_eq!(rows, [("alice".into(), "one-a".into(), "denied".into(), "r-1".into())]);
}

/// What the API of the portal changes stands beside what the gateway decides.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_user_stores_is_in_the_same_audit() {
    use bonafide_policy::{AuditQuery, AuditTrail as _};
    let idp = IdentityProvider::start().await;
    let world = World::new(idp.issuer());
    let proxy = world.start().await;
    let alice = idp.user("alice").with_audience("api://bonafide").with_groups(["dev"]);
    let body = "{\"value\":\"canary\"}";
    let request = format!(
        "PUT /api/tenants/one-a/variables/NOTHING HTTP/1.1\r\nhost: 127.0.0.1:1\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        alice.token(),
        body.len()
    );
    let answer = {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(proxy.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    proxy.stop().await;
    let file = bonafide_sqlite::SqliteFile::open(world.files.path().join("bonafide.db")).unwrap();
    let page = file.trail().recent(&AuditQuery::newest(10)).await.unwrap();
    let found: Vec<_> = page.entries.iter().map(|it| (&*it.subject, &*it.outcome)).collect();
    assert_eq!(found, [("alice", "denied")]);
}

fn audit(path: &Path) -> Vec<(String, String, String, String)> {
    let file = rusqlite::Connection::open(path).unwrap();
    let mut rows =
        file.prepare("SELECT subject, tenant, outcome, request_id FROM audit ORDER BY id").unwrap();
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    rows.query_map([], read).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn an_operator_changes_rows_that_the_configuration_allows() {
    let world = World::new(ISSUER);
    let admin =
        PolicyAdmin::open(PolicyConfig::load(&world.file(), &Environment::of_process()).unwrap())
            .unwrap();
    let added = admin.add(pair("one")).await.unwrap();
    assert!(added.iter().all(|added| added.new));
    assert_eq!(admin.policy().await.unwrap().rule_count(), 3);
    let error = admin.add(vec![Mapping::allow("dev", "nowhere")]).await.unwrap_err();
    assert!(matches!(error, PolicyAdminError::Wrong(_)), "{error:?}");
    let foreign = Mapping::allow("dev", "zoo").with_issuer("https://other.example");
    assert!(matches!(admin.add(vec![foreign]).await, Err(PolicyAdminError::Wrong(_))));

    let csv = PolicyAdmin::to_csv(&admin.rows().await.unwrap());
    let replaced = admin.replace(&csv.replace("one-b", "zoo")).await.unwrap();
    assert_eq!((replaced.added, replaced.removed, replaced.kept), (1, 1, 1));
    let imported = admin.import(&csv).await.unwrap();
    assert_eq!((imported.added, imported.removed, imported.kept), (1, 0, 1));
    let error = admin.import(&csv.replace("one-b", "nowhere")).await.unwrap_err();
    let PolicyAdminError::Csv(error) = error else { panic!("{error:?}") };
    assert!(
        error.to_string().starts_with("line 3: `tenant`: there is no tenant `nowhere`"),
        "{error}"
    );
    assert_eq!(admin.rows().await.unwrap().len(), 3);
    assert_eq!(admin.remove(vec![added[0].id, 999]).await.unwrap(), [true, false]);
}

#[tokio::test]
async fn without_a_database_there_is_nothing_to_change() {
    let world = World::new(ISSUER);
    let text = fs::read_to_string(world.file()).unwrap();
    fs::write(world.file(), text.replace("[policy]\nstore = \"sqlite:bonafide.db\"\n", ""))
        .unwrap();
    let admin =
        PolicyAdmin::open(PolicyConfig::load(&world.file(), &Environment::of_process()).unwrap())
            .unwrap();
    assert!(matches!(admin.rows().await, Err(PolicyAdminError::NoStore)));
    assert_eq!(admin.policy().await.unwrap().rule_count(), 1);
    assert!(!world.files.path().join("bonafide.db").exists());
}
