//! A user of the proxy: MCP by clients that others wrote, the rest by plain HTTP.

use anyhow::{Context as _, Result, ensure};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::client::{Client, Outcome};
use crate::world::World;

pub(crate) const ALICES_KEY: &str = "notes-key-of-alice-7Qm2xV9pLr4TzKw8";
pub(crate) const BOBS_KEY: &str = "notes-key-of-bob-3Hd6sB1nYf5GcJu0Ae";

pub(crate) struct Caller<'w> {
    pub(crate) world: &'w World,
    user: &'static str,
    pub(crate) token: Option<String>,
}

/// What the proxy answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// What a client is told to do.
pub(crate) struct Session<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) tool: &'a str,
    pub(crate) arguments: Value,
    pub(crate) mode: &'a str,
    pub(crate) headers: Value,
    /// It can send its user to a page.
    pub(crate) opens: bool,
}

impl Session<'_> {
    /// Calls the tool of `notes` that tells the headers.
    pub(crate) fn headers() -> Self {
        let none = json!({});
        Self {
            tenant: "notes",
            tool: "headers",
            arguments: none.clone(),
            mode: "auto",
            headers: none,
            opens: false,
        }
    }
}

impl<'w> Caller<'w> {
    pub(crate) fn new(world: &'w World, user: &'static str, token: Option<String>) -> Self {
        Self { world, user, token }
    }

    /// Enters a key for `notes`.
    pub(crate) async fn enter(&self, key: &str) -> Result<()> {
        let path = "/api/tenants/notes/variables/NOTES_KEY";
        let answer =
            self.send(self.request(Method::PUT, path).json(&json!({ "value": key }))).await?;
        ensure!(answer.status == StatusCode::NO_CONTENT, "{answer:?}");
        Ok(())
    }

    /// Takes the key for `notes` away.
    pub(crate) async fn remove(&self) -> Result<()> {
        let path = "/api/tenants/notes/variables/NOTES_KEY";
        let answer = self.send(self.request(Method::DELETE, path)).await?;
        ensure!(answer.status == StatusCode::NO_CONTENT, "{answer:?}");
        Ok(())
    }

    /// A session of the FastMCP client through the proxy.
    pub(crate) fn session(&self, session: &Session<'_>) -> Result<Outcome> {
        self.session_at(&self.world.endpoint(session.tenant), session)
    }

    /// A session of the FastMCP client with any server.
    pub(crate) fn session_at(&self, url: &str, session: &Session<'_>) -> Result<Outcome> {
        self.session_of(&self.world.fastmcp, url, session)
    }

    /// A session of a client with any server.
    pub(crate) fn session_of(
        &self,
        client: &Client,
        url: &str,
        session: &Session<'_>,
    ) -> Result<Outcome> {
        let (answer, outcome) = client.call(&json!({
            "url": url,
            "tool": session.tool,
            "arguments": session.arguments,
            "mode": session.mode,
            "headers": session.headers,
            "opens": session.opens,
            "token": self.token,
        }))?;
        self.note(answer.as_bytes());
        Ok(outcome)
    }

    /// One message to a tenant, with the answer read to its end.
    pub(crate) async fn post(&self, tenant: &str, message: &Value) -> Result<Answer> {
        self.send(self.message(tenant, message)).await
    }

    /// The call of the tool `headers` of `notes` by one bare request of revision 2026-07-28.
    pub(crate) async fn call_headers(&self) -> Result<Answer> {
        let version = "2026-07-28";
        let message = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "headers", "arguments": {}, "_meta": {
                "io.modelcontextprotocol/protocolVersion": version,
                "io.modelcontextprotocol/clientInfo": { "name": "suite", "version": "0" },
                "io.modelcontextprotocol/clientCapabilities": {},
            } },
        });
        let request = self
            .message("notes", &message)
            .header("mcp-protocol-version", version)
            .header("mcp-method", "tools/call")
            .header("mcp-name", "headers");
        self.send(request).await
    }

    /// Begins a session of revision 2025-06-18 and gives its id.
    pub(crate) async fn initialize(&self, tenant: &str) -> Result<String> {
        let answer = self
            .post(
                tenant,
                &json!({
                    "jsonrpc": "2.0", "id": 0, "method": "initialize",
                    "params": {
                        "protocolVersion": "2025-06-18",
                        "capabilities": {},
                        "clientInfo": { "name": "suite", "version": "0" },
                    },
                }),
            )
            .await?;
        ensure!(answer.status == StatusCode::OK, "{answer:?}");
        let id = answer.headers.get("mcp-session-id").context("no session id")?.to_str()?;
        let message = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let done = self.send(self.message(tenant, &message).header("mcp-session-id", id)).await?;
        ensure!(done.status == StatusCode::ACCEPTED, "{done:?}");
        Ok(id.to_owned())
    }

    /// A message to a tenant, not sent yet.
    pub(crate) fn message(&self, tenant: &str, message: &Value) -> RequestBuilder {
        self.request(Method::POST, &format!("/{tenant}/mcp"))
            .header("accept", "application/json, text/event-stream")
            .json(message)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.world.proxy.origin());
        let request = self.world.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Answer> {
        self.read(request.send().await?).await
    }

    async fn read(&self, response: Response) -> Result<Answer> {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.text().await?;
        self.note(format!("{headers:?}\n{body}\n").as_bytes());
        Ok(Answer { status, headers, body })
    }

    /// Keeps what Bob was answered, to be searched.
    pub(crate) fn note(&self, answer: &[u8]) {
        if self.user == "bob"
            && let Ok(mut all) = self.world.answered_to_bob.lock()
        {
            all.extend_from_slice(answer);
        }
    }
}

impl Answer {
    /// The one `WWW-Authenticate`.
    pub(crate) fn challenge(&self) -> Result<&str> {
        let mut all = self.headers.get_all("www-authenticate").iter();
        let challenge = all.next().context("no WWW-Authenticate")?;
        ensure!(all.next().is_none(), "two challenges");
        Ok(challenge.to_str()?)
    }
}
