//! `Mcp-Method` and `Mcp-Name`, checked against the body: revision 2026-07-28, "standard request headers".

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::message::Message;

const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Headers that do not say what the body says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Mismatch {
    #[error("the header `{0}` does not say what the body says")]
    Other(&'static str),
    #[error("the header `{0}` is missing: revision 2026-07-28 has it with every such request")]
    Missing(&'static str),
    #[error("the header `{0}` is there twice: send it once")]
    Twice(HeaderName),
}

/// Refuses a request whose headers name another method, name or version than its body, or do not name it where the
/// revision wants them to: whoever routes by the one and acts by the other would be led astray.
pub(crate) fn check_standard_headers(
    headers: &HeaderMap,
    message: &Message<'_>,
) -> Result<(), Mismatch> {
    // Of most requests no header is there twice, and the map knows it.
    if headers.len() != headers.keys_len()
        && let Some(name) = headers.keys().find(|name| is_twice(headers, name))
    {
        return Err(Mismatch::Twice(name.clone()));
    }
    let expected = &message.params.protocol_version;
    let required = expected.is_some();
    let says = |name, label, expected: &dyn Fn(&str) -> bool| match headers.get(name) {
        None => Ok(false),
        Some(value) if value.to_str().is_ok_and(expected) => Ok(true),
        Some(_) => Err(Mismatch::Other(label)),
    };
    let method = says(METHOD, "Mcp-Method", &|method| method == message.method)?;
    if required && !method {
        return Err(Mismatch::Missing("Mcp-Method"));
    }
    let named = message.header_name();
    let name = says(NAME, "Mcp-Name", &|name| {
        named.is_none_or(|named| decode(name).as_deref() == Some(named))
    })?;
    if required && !name && named.is_some() {
        return Err(Mismatch::Missing("Mcp-Name"));
    }
    let version = says(VERSION, "MCP-Protocol-Version", &|version| {
        expected.as_deref().is_none_or(|expected| version == expected)
    })?;
    if required && !version {
        return Err(Mismatch::Missing("MCP-Protocol-Version"));
    }
    Ok(())
}

/// One of `Mcp-*` that would have to be chosen from. Two session ids are no session's, and are answered so.
fn is_twice(headers: &HeaderMap, name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("mcp-")
        && name != "mcp-session-id"
        && headers.get_all(name).iter().nth(1).is_some()
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

    fn all(name: &str) -> [(&'static str, &str); 3] {
        [("mcp-method", "tools/call"), ("mcp-name", name), ("mcp-protocol-version", "2026-07-28")]
    }

    fn encoded() -> String {
        format!("=?base64?{}?=", BASE64_STANDARD.encode("größe"))
    }

    #[test]
    fn accepts_headers_that_agree() {
        assert_eq!(check(&all(&encoded())), Ok(()));
        let old = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#;
        let old = Message::parse(old).unwrap();
        assert_eq!(check_standard_headers(&HeaderMap::new(), &old), Ok(()));
    }

    #[test]
    fn wants_each_of_them_in_the_revision_that_has_them() {
        let encoded = encoded();
        for (left_out, label) in
            ["Mcp-Method", "Mcp-Name", "MCP-Protocol-Version"].iter().enumerate()
        {
            let mut headers = all(&encoded).to_vec();
            headers.remove(left_out);
            assert_eq!(check(&headers), Err(Mismatch::Missing(label)));
        }
    }

    #[test]
    fn refuses_headers_that_disagree_or_are_there_twice() {
        let encoded = encoded();
        let cases: [(&'static str, &str); 6] = [
            ("mcp-method", "ping"),
            ("mcp-method", "TOOLS/CALL"),
            ("mcp-name", "other"),
            ("mcp-name", "gr\u{f6}\u{df}e"),
            ("mcp-name", "=?base64?!?="),
            ("mcp-protocol-version", "2025-11-25"),
        ];
        for (name, value) in cases {
            let replaced =
                all(&encoded).map(|pair| if pair.0 == name { (name, value) } else { pair });
            assert!(matches!(check(&replaced), Err(Mismatch::Other(_))), "{name}: {value}");
        }
        for name in ["mcp-method", "mcp-param-region"] {
            let mut headers = all(&encoded).to_vec();
            headers.extend([(name, "tools/call"), (name, "tools/call")]);
            assert!(matches!(check(&headers), Err(Mismatch::Twice(_))), "{name}");
        }
        let mut headers = all(&encoded).to_vec();
        headers.extend([("accept", "a"), ("accept", "b")]);
        assert_eq!(check(&headers), Ok(()));
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
