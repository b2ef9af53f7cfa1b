//! What is needed before anything can be measured: the processes, users with tokens and secrets, the requests.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use bonafide_testkit::{AUDIENCE, Algorithm, IdentityProvider, User};
use bonafide_vault::MasterKey;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tempfile::TempDir;

use crate::Error;
use crate::load::{self, Load};
use crate::process::{self, Process};
use crate::role::{self, CHECKED_JIRA_PATH, CHECKED_PATH, PLAIN_PATH};

/// The gateway's endpoint: one secret in four headers.
const ENDPOINT: &str = "/github/mcp";
/// Another one: three secrets in four headers.
const THREE_SECRETS: &str = "/jira/mcp";
/// Connections that are kept, each with a user of its own.
const CONNECTIONS: usize = 32;
/// Groups in each token.
const GROUPS: usize = 30;
/// Tokens that each connection shows for the first time in each round.
const NEW_TOKENS: usize = 8;

pub(crate) const GITHUB_TOKEN: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
const SECRETS: [(&str, &str, &str); 4] = [
    ("github", "GITHUB_TOKEN", GITHUB_TOKEN),
    ("jira", "GITHUB_TOKEN", GITHUB_TOKEN),
    ("jira", "JIRA_USER", "ada@example.com"),
    ("jira", "JIRA_TOKEN", "ATATT3xFfGF0T5JNjQKmxVdmW0Rr"),
];

/// Everything that runs. Dropping it ends it.
pub(crate) struct World {
    pub(crate) backend: Process,
    pub(crate) floor: Process,
    pub(crate) steps: Process,
    pub(crate) gateway: Process,
    pub(crate) loads: Loads,
    pinned: bool,
    token_len: usize,
    idp: IdentityProvider,
    directory: TempDir,
}

/// What is sent in the rows of the table.
pub(crate) struct Loads {
    pub(crate) known: Load,
    pub(crate) three_secrets: Load,
    pub(crate) first_sight: Load,
    pub(crate) no_token: Load,
    pub(crate) wrong_group: Load,
    pub(crate) altered: Load,
    pub(crate) direct: Load,
}

impl World {
    pub(crate) async fn start(rounds: usize) -> Result<Self, Error> {
        let idp = IdentityProvider::start_with(Algorithm::Rs256).await;
        let backend = Process::start(&[role::BACKEND])?;
        let floor = Process::start(&[role::FLOOR, &backend.address().to_string()])?;
        let steps = Process::start(&[role::STEPS, &backend.address().to_string()])?;
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("bonafide.toml");
        write_key(&directory.path().join("vault.key"))?;
        fs::write(&file, configuration(idp.issuer(), backend.address()))?;
        let gateway = Process::start(&[role::GATEWAY, &file.to_string_lossy()])?;
        let pinned = pin(&[&floor, &steps, &gateway], &[&backend]);
        let tokens: Vec<String> = (0..CONNECTIONS).map(|i| member(&idp, i).token()).collect();
        for token in &tokens {
            store_secrets(gateway.address(), token).await?;
        }
        let loads = Loads::new(&idp, &tokens, rounds);
        let token_len = tokens.first().map_or(0, String::len);
        Ok(Self { backend, floor, steps, gateway, loads, pinned, token_len, idp, directory })
    }

    pub(crate) fn issuer(&self) -> &str {
        self.idp.issuer()
    }

    /// Where files go that end with the world.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The issuer's keys, as it serves them.
    pub(crate) async fn key_set(&self) -> Result<String, Error> {
        let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
        let response = client.get(format!("{}/jwks", self.issuer()).parse()?).await?;
        Ok(String::from_utf8(response.into_body().collect().await?.to_bytes().into())?)
    }

    pub(crate) fn describe(&self) -> String {
        let pinned = if self.pinned {
            "proxies pinned to one core, backend and load to another"
        } else {
            "nothing pinned: there is no `taskset`, or only one core"
        };
        format!(
            "forward a `tools/call`: {CONNECTIONS} connections and users, RS256 tokens of {} bytes with {GROUPS} groups, \
             four headers; {pinned}\n",
            self.token_len
        )
    }

    /// Opens an event stream, through the gateway and without it.
    pub(crate) fn open_stream(&self) -> (Bytes, Bytes) {
        let token = member(&self.idp, 0).token();
        (request("GET", ENDPOINT, Some(&token), ""), request("GET", PLAIN_PATH, Some(&token), ""))
    }
}

impl Loads {
    /// What other proxies are sent: the same requests.
    pub(crate) fn peer(&self) -> Load {
        self.known.clone()
    }

    fn new(idp: &IdentityProvider, tokens: &[String], rounds: usize) -> Self {
        let each = |make: &dyn Fn(usize, &str) -> Bytes| -> Vec<Bytes> {
            tokens.iter().enumerate().map(|(i, token)| make(i, token)).collect()
        };
        let known = each(&|_, token| call(ENDPOINT, Some(token)));
        let stranger =
            |i: usize| idp.user(&format!("user-{i}")).with_groups(["MCP-Nothing"]).token();
        let new_tokens = |round: usize, i: usize| -> Vec<Bytes> {
            let token =
                |n: usize| member(idp, i).with_claim("jti", json!(format!("{round}.{n}"))).token();
            (0..NEW_TOKENS).map(|n| call(ENDPOINT, Some(&token(n)))).collect()
        };
        let first_sight = (0..rounds)
            .map(|round| (0..CONNECTIONS).map(|i| new_tokens(round, i)).collect())
            .collect();
        Self {
            known: Load::repeated(known, 200),
            three_secrets: Load::repeated(each(&|_, token| call(THREE_SECRETS, Some(token))), 200),
            first_sight: Load::once(first_sight, 200),
            no_token: Load::repeated(each(&|_, _| call(ENDPOINT, None)), 401),
            wrong_group: Load::repeated(each(&|i, _| call(ENDPOINT, Some(&stranger(i)))), 403),
            altered: Load::repeated(each(&|_, token| call(ENDPOINT, Some(&altered(token)))), 401),
            direct: Load::repeated(each(&|_, token| call(PLAIN_PATH, Some(token))), 200),
        }
    }
}

/// A user whom the policy lets through.
fn member(idp: &IdentityProvider, i: usize) -> User {
    let groups: Vec<String> = (1..GROUPS).map(|n| format!("Department-{:04}", i + n)).collect();
    let groups = groups.iter().map(String::as_str).chain(["MCP-GitHub"]);
    let email = json!(format!("user-{i}@example.com"));
    let user = idp.user(&format!("user-{i}")).with_groups(groups);
    user.with_claim("email", email).with_claim("email_verified", json!(true))
}

/// The token with another signature, as long as the right one.
fn altered(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap_or((token, ""));
    let swap = |c| if c == 'A' { 'B' } else { 'A' };
    let signature: String =
        signature.char_indices().map(|(i, c)| if i == 9 { swap(c) } else { c }).collect();
    format!("{signed}.{signature}")
}

/// As MCP clients call a tool.
fn call(path: &str, token: Option<&str>) -> Bytes {
    let body = json!({
        "jsonrpc": "2.0",
        "id": 7,
        "method": "tools/call",
        "params": {
            "name": "count_issues",
            "arguments": { "repository": "rust-lang/rust", "label": "A-async-await", "state": "open" },
        },
    });
    request("POST", path, token, &body.to_string())
}

fn request(method: &str, path: &str, token: Option<&str>, body: &str) -> Bytes {
    let authorization =
        token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: mcp.example.com\r\n{authorization}\
         Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n\
         User-Agent: bench/1.0\r\nMCP-Protocol-Version: 2025-06-18\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}

async fn store_secrets(gateway: SocketAddr, token: &str) -> Result<(), Error> {
    for (tenant, name, value) in SECRETS {
        let path = format!("/api/tenants/{tenant}/variables/{name}");
        let body = json!({ "value": value }).to_string();
        let status = load::once(gateway, request("PUT", &path, Some(token), &body)).await?;
        if status != 204 {
            return Err(format!("status {status} for the secret {name}").into());
        }
    }
    Ok(())
}

/// The proxies on the first core, everything else on the second.
fn pin(proxies: &[&Process], others: &[&Process]) -> bool {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return false;
    }
    let proxies = proxies.iter().all(|process| process::pin(process.id(), 0));
    let others = others.iter().all(|process| process::pin(process.id(), 1));
    proxies && others && process::pin(std::process::id(), 1)
}

/// A master key in a file that only its owner may read.
fn write_key(path: &Path) -> Result<(), Error> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    writeln!(options.open(path)?, "{}", MasterKey::generate()?.to_base64().expose_secret())?;
    Ok(())
}

fn configuration(issuer: &str, backend: SocketAddr) -> String {
    format!(
        r#"listen     = "127.0.0.1:0"
public_url = "https://mcp.example.com"

[[issuers]]
issuer    = "{issuer}"
profile   = "generic"
audiences = ["{AUDIENCE}"]

[vault]
store = "sqlite:bonafide.db"
key   = "file:vault.key"

[tenants.github]
title = "GitHub"
url   = "http://{backend}{CHECKED_PATH}"
[tenants.github.headers]
Authorization = "Bearer ${{GITHUB_TOKEN}}"
X-User-Id     = "${{username}}"
X-User-Email  = "${{email}}"
X-Client      = "bonafide/0.1"
[tenants.github.variables.GITHUB_TOKEN]
title = "Personal access token"

[tenants.jira]
title = "GitHub and Jira"
url   = "http://{backend}{CHECKED_JIRA_PATH}"
[tenants.jira.headers]
Authorization        = "Bearer ${{GITHUB_TOKEN}}"
X-User-Id            = "${{username}}"
X-Jira-Authorization = "Basic ${{basic(JIRA_USER, JIRA_TOKEN)}}"
X-Client             = "bonafide/0.1"
[tenants.jira.variables.GITHUB_TOKEN]
title = "Personal access token"
[tenants.jira.variables.JIRA_USER]
title = "User name"
[tenants.jira.variables.JIRA_TOKEN]
title = "API token"

[[policy.rules]]
id      = "github-team"
groups  = ["MCP-GitHub"]
tenants = ["github", "jira"]

[[policy.rules]]
id      = "nobody-deletes"
effect  = "deny"
tenants = ["github", "jira"]
tools   = ["delete_*"]
"#
    )
}
