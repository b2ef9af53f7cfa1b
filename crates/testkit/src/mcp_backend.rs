//! An MCP server that tells which headers it saw.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use http::request::Parts;
use rmcp::handler::server::tool::Extension;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};

use crate::server::Server;

/// A real MCP server (rmcp, Streamable HTTP) on loopback with the tools `whoami`, which answers with the
/// request's headers, and `delete_everything`, which a policy had better not allow.
#[derive(Debug)]
pub struct McpBackend {
    server: Server,
}

impl McpBackend {
    /// Starts one.
    pub async fn start() -> Self {
        let service = StreamableHttpService::new(
            || Ok(Tools),
            Arc::new(LocalSessionManager::default()),
            StreamableHttpServerConfig::default(),
        );
        Self { server: Server::start(Router::new().nest_service("/mcp", service)).await }
    }

    /// Its MCP endpoint.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/mcp", self.server.origin())
    }
}

#[derive(Debug, Clone)]
struct Tools;

#[tool_router]
impl Tools {
    /// The headers as JSON: a name in lower case, and its values joined by a comma.
    #[tool(description = "Tells which headers this request arrived with")]
    async fn whoami(&self, Extension(parts): Extension<Parts>) -> String {
        let mut headers = BTreeMap::<&str, String>::new();
        for (name, value) in &parts.headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            headers
                .entry(name.as_str())
                .and_modify(|have| {
                    have.push_str(", ");
                    have.push_str(&value);
                })
                .or_insert_with(|| value.into_owned());
        }
        serde_json::json!(headers).to_string()
    }

    #[tool(description = "Pretends to delete everything")]
    async fn delete_everything(&self) -> String {
        "everything is gone".to_owned()
    }
}

#[tool_handler(name = "bonafide-testkit", version = "0.1.0")]
impl ServerHandler for Tools {}
