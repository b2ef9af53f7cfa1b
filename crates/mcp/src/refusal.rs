//! What a client is told when its message goes no further.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::GatewayBody;
use crate::message::{Kind, Message};

/// The `code` of JSON-RPC errors that the gateway makes.
///
/// JSON-RPC and MCP keep the negative range for themselves (revision 2026-07-28, "error codes"), so ours are
/// positive, and mean what the HTTP status of that number means.
pub mod code {
    /// The user's token ended while a request of theirs waited.
    pub const UNAUTHENTICATED: i64 = 401;
    /// The policy does not let this user do this.
    pub const DENIED: i64 = 403;
    /// There is no such tenant or session.
    pub const NOT_FOUND: i64 = 404;
    /// The user has to enter a credential first, or a better one.
    pub const CREDENTIAL_NEEDED: i64 = 424;
    /// The user sends more than they may.
    pub const TOO_MANY: i64 = 429;
    /// The gateway can't read the credentials right now.
    pub const UNAVAILABLE: i64 = 503;
    /// The backend can't be reached, or its answer makes no sense.
    pub const BAD_GATEWAY: i64 = 502;
    /// The backend did not answer in time.
    pub const GATEWAY_TIMEOUT: i64 = 504;

    pub(crate) const PARSE_ERROR: i64 = -32700;
    pub(crate) const INVALID_REQUEST: i64 = -32600;
    pub(crate) const METHOD_NOT_FOUND: i64 = -32601;
    pub(crate) const INVALID_PARAMS: i64 = -32602;
    /// `URLElicitationRequiredError` of revision 2025-11-25; later ones have no such code.
    pub(crate) const URL_ELICITATION_REQUIRED: i64 = -32042;
    /// `HeaderMismatch` of revision 2026-07-28.
    pub(crate) const HEADER_MISMATCH: i64 = -32020;
    /// `MissingRequiredClientCapability` of revision 2026-07-28.
    pub(crate) const MISSING_CAPABILITY: i64 = -32021;
}

/// A JSON-RPC error response. Without a message to answer, its id is `null`.
pub(crate) fn error(
    status: StatusCode,
    id: Option<&Value>,
    code: i64,
    message: &str,
) -> Response<GatewayBody> {
    error_with_data(status, id, code, message, None)
}

pub(crate) fn error_with_data(
    status: StatusCode,
    id: Option<&Value>,
    code: i64,
    message: &str,
    data: Option<Value>,
) -> Response<GatewayBody> {
    let mut error = json!({ "code": code, "message": message });
    if let (Some(data), Some(members)) = (data, error.as_object_mut()) {
        members.insert("data".into(), data);
    }
    json_response(status, &json!({ "jsonrpc": "2.0", "id": id, "error": error }))
}

pub(crate) fn json_response(status: StatusCode, body: &Value) -> Response<GatewayBody> {
    let mut response = Response::new(GatewayBody::full(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Tells the user, in words, where credentials are entered.
///
/// A tool call gets a tool error, which a model reads to its user; that is what works with every client. Other
/// requests get a JSON-RPC error with the same text. The link names the tenant and nothing else: whoever opens it
/// has to show who they are. `would_help` is whether the client lacks nothing but a way to open it.
pub(crate) fn ask_for_credential(
    message: Option<&Message<'_>>,
    text: &str,
    would_help: bool,
) -> Response<GatewayBody> {
    let Some(message) = message.filter(|message| message.kind == Kind::Request) else {
        return error(StatusCode::FORBIDDEN, None, code::CREDENTIAL_NEEDED, text);
    };
    let id = message.id.as_ref();
    let modern = message.params.protocol_version.is_some();
    match (&*message.method, modern) {
        ("tools/call", _) => {
            let mut result =
                json!({ "content": [{ "type": "text", "text": text }], "isError": true });
            if let (true, Some(members)) = (modern, result.as_object_mut()) {
                members.insert("resultType".into(), json!("complete"));
            }
            json_response(StatusCode::OK, &json!({ "jsonrpc": "2.0", "id": id, "result": result }))
        }
        ("prompts/get" | "resources/read", true) if would_help => error_with_data(
            StatusCode::BAD_REQUEST,
            id,
            code::MISSING_CAPABILITY,
            text,
            Some(json!({ "requiredCapabilities": { "elicitation": { "url": {} } } })),
        ),
        // SDK clients make a transport failure of any other status and drop the text.
        _ => error(StatusCode::OK, id, code::CREDENTIAL_NEEDED, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_is_asked_for_only_if_it_would_help() {
        for method in ["prompts/get", "resources/read"] {
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{{"name":"a","uri":"a:b","_meta":
                    {{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}}}}"#
            );
            let message = Message::parse(body.as_bytes()).unwrap();
            let ask = |would_help| {
                let (head, body) =
                    ask_for_credential(Some(&message), "words", would_help).into_parts();
                let whole: Value = serde_json::from_slice(body.whole().unwrap()).unwrap();
                (head.status, whole["error"].clone())
            };
            let required = json!({ "requiredCapabilities": { "elicitation": { "url": {} } } });
            let lacking = json!({ "code": -32021, "message": "words", "data": required });
            assert_eq!(ask(true), (StatusCode::BAD_REQUEST, lacking));
            assert_eq!(ask(false), (StatusCode::OK, json!({ "code": 424, "message": "words" })));
        }
    }
}
