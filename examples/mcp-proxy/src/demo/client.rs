//! A user with a token: MCP by rmcp, the rest by plain HTTP.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Response};
use rmcp::ServiceExt as _;
use rmcp::model::CallToolRequestParams;
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::Value;

use super::world::World;

pub(crate) struct Client<'w> {
    world: &'w World,
    pub(crate) token: String,
}

impl<'w> Client<'w> {
    pub(crate) async fn sign_in(world: &'w World, user: &str) -> Result<Self> {
        Ok(Self { world, token: world.token(user).await? })
    }

    pub(crate) fn with_token(world: &'w World, token: String) -> Self {
        Self { world, token }
    }

    /// An MCP session with the tenant, with headers of the client's own besides the token.
    pub(crate) async fn connect(
        &self,
        tenant: &str,
        headers: &[(&'static str, &'static str)],
    ) -> Result<RunningService<RoleClient, ()>> {
        let headers: HashMap<HeaderName, HeaderValue> = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let config = StreamableHttpClientTransportConfig::with_uri(self.world.endpoint(tenant))
            .auth_header(self.token.as_str())
            .custom_headers(headers);
        Ok(().serve(StreamableHttpClientTransport::from_config(config)).await?)
    }

    /// The headers that the tenant's backend saw when this user called its tool `whoami`.
    pub(crate) async fn headers_at(
        &self,
        tenant: &str,
        headers: &[(&'static str, &'static str)],
    ) -> Result<HashMap<String, String>> {
        let session = self.connect(tenant, headers).await?;
        let result = session.call_tool(CallToolRequestParams::new("whoami")).await?;
        let seen =
            result.content.first().and_then(|content| content.as_text()).context("no text")?;
        let seen = serde_json::from_str(&seen.text)?;
        session.cancel().await?;
        Ok(seen)
    }

    /// A call of a tool by one bare HTTP request, to see the status.
    pub(crate) async fn post_call(&self, tenant: &str, tool: &str) -> Result<(u16, Value)> {
        let body = serde_json::json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool }
        });
        let response = self
            .request(Method::POST, &self.world.endpoint(tenant))
            .header("accept", "application/json, text/event-stream")
            .json(&body)
            .send()
            .await?;
        let status = response.status().as_u16();
        Ok((status, serde_json::from_str(&response.text().await?).unwrap_or(Value::Null)))
    }

    /// Stores one of this user's variables.
    pub(crate) async fn store(&self, tenant: &str, name: &str, value: &str) -> Result<Response> {
        let url = format!("{}/api/tenants/{tenant}/variables/{name}", self.world.origin);
        let body = serde_json::json!({ "value": value });
        Ok(self.request(Method::PUT, &url).json(&body).send().await?)
    }

    fn request(&self, method: Method, url: &str) -> RequestBuilder {
        reqwest::Client::new().request(method, url).bearer_auth(&self.token)
    }
}
