//! The client of rmcp.

use std::sync::{Arc, Mutex};

use anyhow::Result;
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult,
    ElicitationAction, ElicitationCapability, Implementation, ProtocolVersion,
    UrlElicitationCapability,
};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, ClientServiceExt as _, RequestContext, RoleClient,
    RunningService,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, ErrorData, ServiceError};

use crate::caller::Session;
use crate::client::Outcome;

type Connection = RunningService<RoleClient, User>;

pub(crate) async fn session(url: &str, token: &str, told: &Session<'_>) -> Outcome {
    let user = User { opens: told.opens, asked: Arc::default() };
    let asked = Arc::clone(&user.asked);
    let mut outcome = match run(user, url, token, told).await {
        Ok(outcome) => outcome,
        Err(error) => refused(&error),
    };
    if let Ok(mut pages) = asked.lock() {
        outcome.asked.append(&mut pages);
    }
    outcome
}

async fn run(user: User, url: &str, token: &str, told: &Session<'_>) -> Result<Outcome> {
    let client = connect(user, url, token, told.mode).await?;
    let tools = client.list_all_tools().await?;
    let outcome = call(&client, told).await?;
    client.cancel().await?;
    let tools = tools.into_iter().map(|tool| tool.name.into_owned()).collect();
    Ok(Outcome { tools, ..outcome })
}

async fn connect(user: User, url: &str, token: &str, mode: &str) -> Result<Connection> {
    let config =
        StreamableHttpClientTransportConfig::with_uri(url.to_owned()).auth_header(token.to_owned());
    let transport = StreamableHttpClientTransport::from_config(config);
    let lifecycle = match mode {
        "legacy" => ClientLifecycleMode::Initialize,
        _ => ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: None,
        },
    };
    Ok(user.serve_with_lifecycle(transport, lifecycle).await?)
}

async fn call(client: &Connection, told: &Session<'_>) -> Result<Outcome> {
    let mut call = CallToolRequestParams::new(told.tool.to_owned());
    call.arguments = told.arguments.as_object().cloned();
    let result = client.call_tool(call).await?;
    let text = result.content.iter().filter_map(|part| part.as_text());
    Ok(Outcome {
        is_error: result.is_error.unwrap_or_default(),
        text: text.map(|part| part.text.clone()).collect(),
        ..Outcome::default()
    })
}

/// A session in which something happens after the first answer, and before the tool is called.
pub(crate) async fn session_with(
    url: &str,
    token: &str,
    told: &Session<'_>,
    between: impl Future<Output = Result<()>>,
) -> Result<Outcome> {
    let user = User { opens: told.opens, asked: Arc::default() };
    let asked = Arc::clone(&user.asked);
    let client = connect(user, url, token, told.mode).await?;
    between.await?;
    let mut outcome = call(&client, told).await.unwrap_or_else(|error| refused(&error));
    client.cancel().await?;
    if let Ok(mut pages) = asked.lock() {
        outcome.asked.append(&mut pages);
    }
    Ok(outcome)
}

/// What is in a refusal. The pages of revision 2025-11-25 are left to the program by rmcp.
fn refused(error: &anyhow::Error) -> Outcome {
    let begun = error.downcast_ref::<ClientInitializeError>();
    let data = match (begun, error.downcast_ref::<ServiceError>()) {
        (Some(ClientInitializeError::JsonRpcError(refusal)), _)
        | (_, Some(ServiceError::McpError(refusal))) => refusal.data.as_ref(),
        _ => None,
    };
    let pages = data.and_then(|data| data.get("elicitations")?.as_array()).into_iter().flatten();
    let pages = pages.filter_map(|page| page.get("url")?.as_str());
    // That both eras were refused is all that it says of that; why, is inside.
    let text = begun.map_or_else(|| format!("{error:#}"), |begun| format!("{begun:?}"));
    Outcome { error: vec![text], asked: pages.map(str::to_owned).collect(), ..Outcome::default() }
}

/// Declines to open a page, and remembers which.
#[derive(Clone)]
struct User {
    opens: bool,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ClientHandler for User {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        if self.opens {
            let elicitation = ElicitationCapability::new();
            capabilities.elicitation =
                Some(elicitation.with_url(UrlElicitationCapability::default()));
        }
        ClientConfig::new(capabilities, Implementation::new("suite", "0"))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        if let ElicitRequestParams::UrlElicitationParams { url, .. } = request
            && let Ok(mut asked) = self.asked.lock()
        {
            asked.push(url);
        }
        Ok(ElicitResult::new(ElicitationAction::Decline))
    }
}
