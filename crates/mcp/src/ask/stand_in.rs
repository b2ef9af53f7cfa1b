//! What a client hears while its user's credential is missing, of a backend that can't be asked.

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::Question;
use crate::json;
use crate::message::{Kind, Message};
use crate::refusal::json_response;
use crate::{GatewayBody, Tenant};

/// The revisions with `initialize`, the latest first.
const WITH_INITIALIZE: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];

/// The answer in the backend's place: enough for a client to connect, so that its user reads `text` in a tool's description,
/// and in what every call is answered. A client that got an error would show a server that does not work.
///
/// `None` for what needs a backend, or a user who can do nothing about it.
pub(super) fn stand_in(question: &Question<'_>, text: &str) -> Option<Response<GatewayBody>> {
    let message = question.message.filter(|message| message.kind == Kind::Request)?;
    if question.need.there.is_none() || question.asked.refused {
        return None;
    }
    let result = result(message, question.body, question.tenant, text)?;
    let answer = json!({ "jsonrpc": "2.0", "id": message.id, "result": result });
    let mut response = json_response(StatusCode::OK, &answer);
    if let Some(session) = &question.session {
        response.headers_mut().insert("mcp-session-id", session.clone());
    }
    Some(response)
}

fn result(message: &Message<'_>, body: &str, tenant: &Tenant, text: &str) -> Option<Value> {
    let modern = message.params.protocol_version.is_some();
    let server = || json!({ "name": tenant.title(), "version": env!("CARGO_PKG_VERSION") });
    let mut result = match (&*message.method, modern) {
        ("initialize", false) => json!({
            "protocolVersion": revision(body),
            "capabilities": { "tools": {} },
            "serverInfo": server(),
            "instructions": text,
        }),
        ("ping", false) => json!({}),
        ("server/discover", true) => json!({
            "supportedVersions": ["2026-07-28"],
            "capabilities": { "tools": {} },
            "instructions": text,
            "_meta": { "io.modelcontextprotocol/serverInfo": server() },
        }),
        ("tools/list", _) => json!({ "tools": [{
            "name": format!("connect_{}", tenant.id().as_str()),
            "title": format!("Connect {}", tenant.title()),
            "description": text,
            "inputSchema": { "type": "object", "properties": {} },
        }] }),
        _ => return None,
    };
    if let (true, Some(members)) = (modern, result.as_object_mut()) {
        // Nobody is to keep it: it changes when the credential is there.
        members.insert("resultType".into(), json!("complete"));
        members.insert("ttlMs".into(), json!(0));
        members.insert("cacheScope".into(), json!("private"));
    }
    Some(result)
}

/// The revision that the client asks for, if it is one of them, or the latest.
fn revision(body: &str) -> &'static str {
    let params = json::member(body, "params").ok().flatten();
    let asked = params.and_then(|params| json::member(params, "protocolVersion").ok()?);
    let asked = asked.and_then(json::string);
    let [latest, ..] = WITH_INITIALIZE;
    WITH_INITIALIZE.into_iter().find(|known| asked.as_deref() == Some(*known)).unwrap_or(latest)
}
