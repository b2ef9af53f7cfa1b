//! What the demonstration needs: an identity provider, two MCP backends, a vault and the proxy.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::Result;
use bonafide::proxy::{Config, Environment, Proxy};
use bonafide::vault::MasterKey;
use bonafide_testkit::{IdentityProvider, McpBackend};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What the configuration calls us, and tokens must be for.
pub(crate) const AUDIENCE: &str = "api://bonafide-demo";

/// What the identity provider calls the page.
const CLIENT: &str = "bonafide-demo";

/// Alice is in both groups, Bob in one, Carol in none.
pub(crate) const USERS: [(&str, &[&str]); 3] =
    [("alice", &["MCP-GitHub", "MCP-Jira"]), ("bob", &["MCP-GitHub"]), ("carol", &[])];

/// Everything that runs. Dropping it ends it.
pub(crate) struct World {
    pub(crate) idp: IdentityProvider,
    /// Where the proxy is, without a slash at the end.
    pub(crate) origin: String,
    _backends: [McpBackend; 2],
    directory: TempDir,
    proxy: JoinHandle<()>,
}

impl World {
    pub(crate) async fn start() -> Result<Self> {
        let idp = IdentityProvider::start().await;
        for (user, groups) in USERS {
            idp.add_user(user, groups.iter().copied());
        }
        let backends = [McpBackend::start().await, McpBackend::start().await];
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let origin = format!("http://{}", listener.local_addr()?);
        // A client without a secret: PKCE is enough.
        idp.add_client(CLIENT, None, &format!("{origin}/connections/-/callback"));
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("bonafide.toml");
        write_key(&directory.path().join("vault.key"))?;
        fs::write(&file, configuration(&origin, idp.issuer(), &backends))?;
        let config = Config::load(&file, &Environment::of_process())?;
        let proxy = Proxy::new(config, listener)?.with_reload(file);
        let proxy = tokio::spawn(async move {
            if let Err(error) = proxy.serve(std::future::pending()).await {
                eprintln!("the proxy ended: {error}");
            }
        });
        Ok(Self { idp, origin, _backends: backends, directory, proxy })
    }

    /// A new token for a user, over HTTP, as a client gets one.
    pub(crate) async fn token(&self, user: &str) -> Result<String> {
        let form = format!("user={user}&audience={AUDIENCE}");
        let answer: serde_json::Value = reqwest::Client::new()
            .post(self.idp.token_endpoint())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        answer
            .get("access_token")
            .and_then(|token| token.as_str())
            .map(str::to_owned)
            .ok_or_else(|| anyhow::anyhow!("the identity provider gave no token"))
    }

    pub(crate) fn endpoint(&self, tenant: &str) -> String {
        format!("{}/{tenant}/mcp", self.origin)
    }

    /// How to go on by hand.
    pub(crate) fn invite(&self) {
        let (origin, token_endpoint) = (&self.origin, self.idp.token_endpoint());
        println!("\nIt stays up for you to try. Ctrl-C ends it.\n");
        println!("  the page           {origin}/connections");
        println!("  the configuration  {}", self.directory.path().join("bonafide.toml").display());
        println!("\nWhat each user may reach, and has entered:\n");
        for (user, _) in USERS {
            println!(
                "  curl -s {origin}/api/tenants -H \"Authorization: Bearer $(curl -s {token_endpoint} \
                 -d user={user} -d audience={AUDIENCE} | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')\""
            );
        }
        println!();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.proxy.abort();
    }
}

/// A master key in a file that only its owner may read.
fn write_key(path: &Path) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    writeln!(options.open(path)?, "{}", MasterKey::generate()?.to_base64().expose_secret())?;
    Ok(())
}

fn configuration(origin: &str, issuer: &str, [github, jira]: &[McpBackend; 2]) -> String {
    let (github, jira) = (github.url(), jira.url());
    format!(
        r##"listen     = "127.0.0.1:0"
public_url = "{origin}"

[[issuers]]
issuer    = "{issuer}"
profile   = "generic"
audiences = ["{AUDIENCE}"]

[vault]
store = "sqlite:bonafide.db"
key   = "file:vault.key"

[tenants.github]
title = "GitHub"
url   = "{github}"
[tenants.github.headers]
Authorization = "Bearer ${{GITHUB_TOKEN}}"
X-User-Id     = "${{username}}"
[tenants.github.variables.GITHUB_TOKEN]
title       = "Personal access token"
description = "Settings → Developer settings → Tokens"
pattern     = "^gh[pousr]_[A-Za-z0-9]{{36,}}$"

[tenants.jira]
title = "Jira"
url   = "{jira}"
[tenants.jira.headers]
Authorization = "Basic ${{basic(JIRA_USER, JIRA_TOKEN)}}"
X-Groups      = "${{join(groups, \";\")}}"
[tenants.jira.variables.JIRA_USER]
title  = "User name"
secret = false
[tenants.jira.variables.JIRA_TOKEN]
title  = "API token"

[portal]
client_id = "{CLIENT}"

[[policy.rules]]
id      = "github-team"
groups  = ["MCP-GitHub"]
tenants = ["github"]

[[policy.rules]]
id      = "jira-team"
groups  = ["MCP-Jira"]
tenants = ["jira"]

[[policy.rules]]
id      = "nobody-deletes"
effect  = "deny"
tenants = ["github", "jira"]
tools   = ["delete_*"]
"##
    )
}
