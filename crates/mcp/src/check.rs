//! Trying a new credential before it is stored.

use std::time::Duration;

use bonafide_policy::Permit;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::backend::{Backends, TlsError};
use crate::gateway::UserVariables;
use crate::{Limits, Tenant};

/// How long a connection, and an answer, may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);
const ANSWER_TIME: Duration = Duration::from_secs(8);

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");

/// The revisions that the two questions are asked in.
const OLD: &str = "2025-11-25";
const NEW: &str = "2026-07-28";

/// Asks a backend whether it accepts a credential, by a call that changes nothing: `initialize`, or `server/discover` of
/// revision 2026-07-28 where there is no `initialize`.
///
/// A backend that answers these without looking at the credential accepts every one.
///
/// # Security
///
/// The values go where the gateway would send them, in the same headers, and nowhere else; redirects are not followed.
#[derive(Debug, Clone)]
pub struct CredentialCheck {
    backends: Backends,
}

/// Why a credential was not found good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The backend does not accept it: status 401 or 403.
    #[error("the backend refused the credential")]
    Refused,
    /// There is no answer, so nothing is known about the credential.
    #[error("the backend gave no answer in time")]
    Unreachable,
    /// The answer is neither a yes nor a no.
    #[error("the backend answered with status {0}")]
    Unexpected(StatusCode),
    /// No headers can be made of the values.
    #[error("the values make no headers: something is missing, or can't be sent")]
    Incomplete,
}

impl CredentialCheck {
    /// Backends without TLS are asked over the connections that the gateway keeps to them, others over its own.
    ///
    /// # Errors
    ///
    /// If the operating system's certificates can't be read.
    pub fn new() -> Result<Self, TlsError> {
        let limits =
            Limits::default().with_connect_time(CONNECT_TIME).with_answer_time(ANSWER_TIME);
        Ok(Self { backends: Backends::new(&limits)? })
    }

    /// Tries `values`, in the order of the tenant's variables.
    ///
    /// # Errors
    ///
    /// When the backend did not accept them.
    pub async fn check(
        &self,
        permit: &Permit,
        tenant: &Tenant,
        values: &[Option<&SecretString>],
    ) -> Result<(), CheckError> {
        let variables = UserVariables::of_values(permit, values);
        let rendered = tenant.templates().render(&variables).map_err(|_| CheckError::Incomplete)?;
        match self.ask(tenant, &rendered, &initialize(), None).await? {
            status if status.is_success() => return Ok(()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(CheckError::Refused),
            // A server of the newer revision alone.
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => {}
            status => return Err(CheckError::Unexpected(status)),
        }
        match self.ask(tenant, &rendered, &discover(), Some("server/discover")).await? {
            status if status.is_success() => Ok(()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(CheckError::Refused),
            status => Err(CheckError::Unexpected(status)),
        }
    }

    async fn ask(
        &self,
        tenant: &Tenant,
        rendered: &HeaderMap,
        message: &Value,
        modern: Option<&'static str>,
    ) -> Result<StatusCode, CheckError> {
        let mut headers = headers(rendered);
        // What revision is spoken is only known after `initialize`.
        if let Some(method) = modern {
            headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(NEW));
            headers.insert(METHOD, HeaderValue::from_static(method));
        }
        let body = Bytes::from(message.to_string());
        let answer = self.backends.call(tenant, Method::POST, headers, body, ANSWER_TIME).await;
        let mut answer = answer.map_err(|error| {
            tracing::info!(tenant = tenant.id().as_str(), %error, "a credential can't be checked");
            CheckError::Unreachable
        })?;
        // Nobody will use the session that this began.
        if let Some(session) = answer.headers_mut().remove(SESSION_ID) {
            let mut headers = self::headers(rendered);
            headers.insert(SESSION_ID, session);
            let left =
                self.backends.call(tenant, Method::DELETE, headers, Bytes::new(), ANSWER_TIME);
            let _ = left.await;
        }
        Ok(answer.status())
    }
}

fn headers(rendered: &HeaderMap) -> HeaderMap {
    let mut headers = rendered.clone();
    let accept = HeaderValue::from_static("application/json, text/event-stream");
    headers.insert(header::ACCEPT, accept);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
}

fn initialize() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": OLD, "capabilities": {}, "clientInfo": client(),
    }})
}

fn discover() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": { "_meta": {
        "io.modelcontextprotocol/protocolVersion": NEW,
        "io.modelcontextprotocol/clientInfo": client(),
        "io.modelcontextprotocol/clientCapabilities": {},
    }}})
}

fn client() -> Value {
    json!({ "name": "bonafide", "version": env!("CARGO_PKG_VERSION") })
}
