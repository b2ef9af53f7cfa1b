//! `Mcp-Method` and `Mcp-Name`, checked against the body: revision 2026-07-28, "standard request headers".

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::message::Message;

const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// A header that says something other than the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the header `{0}` does not say what the body says")]
pub(crate) struct Mismatch(&'static str);

/// Refuses a request whose headers name another method, name or version than its body: whoever routes by the one
/// and acts by the other would be led astray. Which of them must be there is the backend's business.
pub(crate) fn check_standard_headers(
    headers: &HeaderMap,
    message: &Message<'_>,
) -> Result<(), Mismatch> {
    if let Some(method) = single(headers, &METHOD).ok_or(Mismatch("Mcp-Method"))?
        && method != message.method
    {
        return Err(Mismatch("Mcp-Method"));
    }
    if let Some(name) = single(headers, &NAME).ok_or(Mismatch("Mcp-Name"))?
        && let Some(expected) = message.header_name()
        && decode(name).as_deref() != Some(expected)
    {
        return Err(Mismatch("Mcp-Name"));
    }
    if let Some(version) = single(headers, &VERSION).ok_or(Mismatch("MCP-Protocol-Version"))?
        && let Some(expected) = &message.params.protocol_version
        && version != expected
    {
        return Err(Mismatch("MCP-Protocol-Version"));
    }
    Ok(())
}

/// Takes away what describes a body, from a request that has none.
pub(crate) fn remove_standard_headers(headers: &mut HeaderMap) {
    for name in [METHOD, NAME] {
        headers.remove(name);
    }
}

/// Makes the header that repeats a name say this one, where there is one.
pub(crate) fn set_name(headers: &mut HeaderMap, name: &str) {
    if headers.contains_key(NAME)
        && let Some(value) = encode(name)
    {
        headers.insert(NAME, value);
    }
}

/// The header's only value: `Some(None)` if it is not there, `None` if it is there twice or is no text.
#[expect(clippy::option_option, reason = "absent and unusable are different things")]
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Some(None) };
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok().map(Some)
}

/// Names that are not plain ASCII are sent as `=?base64?…?=`.
fn decode(value: &str) -> Option<Cow<'_, str>> {
    let Some(encoded) = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="))
    else {
        return Some(Cow::Borrowed(value));
    };
    String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok().map(Cow::Owned)
}

/// What [`decode`] reads: a name as it is, unless a header can't have it, or it would be taken for an encoded one.
fn encode(name: &str) -> Option<HeaderValue> {
    let plain = name.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && name.trim() == name
        && !name.starts_with("=?base64?");
    if plain {
        return HeaderValue::from_str(name).ok();
    }
    HeaderValue::try_from(format!("=?base64?{}?=", BASE64_STANDARD.encode(name))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&'static str, &str)]) -> Result<(), Mismatch> {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"größe","_meta":
            {"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        let message = Message::parse(body.as_bytes()).unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        check_standard_headers(&map, &message)
    }

    #[test]
    fn accepts_headers_that_agree_or_are_not_there() {
        let encoded = format!("=?base64?{}?=", BASE64_STANDARD.encode("größe"));
        assert_eq!(check(&[]), Ok(()));
        let all = [
            ("mcp-method", "tools/call"),
            ("mcp-name", &encoded),
            ("mcp-protocol-version", "2026-07-28"),
        ];
        assert_eq!(check(&all), Ok(()));
    }

    #[test]
    fn refuses_headers_that_disagree_or_are_there_twice() {
        let cases: [&[(&'static str, &str)]; 6] = [
            &[("mcp-method", "ping")],
            &[("mcp-method", "TOOLS/CALL")],
            &[("mcp-method", "tools/call"), ("mcp-method", "tools/call")],
            &[("mcp-name", "other")],
            &[("mcp-name", "=?base64?!?=")],
            &[("mcp-protocol-version", "2025-11-25")],
        ];
        for headers in cases {
            assert!(check(headers).is_err(), "{headers:?}");
        }
    }

    #[test]
    fn a_name_that_is_set_is_read_as_it_was() {
        for name in ["task-1", "größe", " a", "", "=?base64?eA==?=", "a\nb", "\u{7f}"] {
            let mut headers = HeaderMap::new();
            set_name(&mut headers, name);
            assert!(headers.is_empty(), "only in the place of another");
            headers.insert(NAME, HeaderValue::from_static("other"));
            set_name(&mut headers, name);
            assert_eq!(decode(headers[NAME].to_str().unwrap()).as_deref(), Some(name));
        }
    }
}
