//! An MCP server whose tool knows who is calling.
//!
//!     mcp-server ISSUER AUDIENCE [ADDRESS]

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::routing::get;
use bonafide::claims::{TrustedIssuer, VerifiedUser, Verifier};
use bonafide::jwks::RemoteKeys;
use bonafide::tower::{AuthenticateLayer, Authenticator, ProtectedResource};
use http::request::Parts;
use rmcp::handler::server::tool::Extension;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler, tool, tool_handler, tool_router};
use tokio::net::TcpListener;

#[derive(Debug, Clone)]
struct Server;

#[tool_router]
impl Server {
    #[tool(description = "Says who is calling")]
    async fn whoami(&self, Extension(parts): Extension<Parts>) -> Result<String, ErrorData> {
        // `AuthenticateLayer` put the user there; nothing that a client sends can.
        let user = parts.extensions.get::<VerifiedUser>();
        let user = user.ok_or_else(|| ErrorData::internal_error("no layer, no user", None))?;
        let groups = user.groups().known().map_or(0, |groups| groups.len());
        let name = user.username().unwrap_or("somebody without a name");
        Ok(format!("You are {name} ({}), in {groups} groups.", user.subject().as_str()))
    }
}

#[tool_handler]
impl ServerHandler for Server {}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let issuer = arguments.next().context("usage: mcp-server ISSUER AUDIENCE [ADDRESS]")?;
    let audience = arguments.next().context("usage: mcp-server ISSUER AUDIENCE [ADDRESS]")?;
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let address: SocketAddr = address.parse().context("ADDRESS is like 127.0.0.1:8000")?;

    let keys = Arc::new(RemoteKeys::discover(&issuer).build()?);
    let trusted = TrustedIssuer::builder(issuer.parse()?, keys).with_audience(audience).build()?;
    let verifier = Verifier::builder().with_issuer(trusted).build()?;

    let listener = TcpListener::bind(address).await?;
    let url = format!("http://{}/mcp", listener.local_addr()?);
    let resource = ProtectedResource::new(url.parse()?)?.with_authorization_server(issuer.parse()?);
    let (metadata, document) = (resource.metadata_path(), resource.document());
    let mcp = StreamableHttpService::new(
        || Ok(Server),
        Arc::new(NeverSessionManager::default()),
        StreamableHttpServerConfig::default().with_legacy_session_mode(false),
    );
    let router = Router::new()
        .nest_service("/mcp", mcp)
        .layer(AuthenticateLayer::new(Authenticator::bearer(verifier)).with_resource(resource))
        .route(&metadata, get(async || (ProtectedResource::document_headers(), document)));
    eprintln!("listening on {url}");
    axum::serve(listener, router).await?;
    Ok(())
}
