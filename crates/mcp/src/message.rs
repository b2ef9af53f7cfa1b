//! The parts of a JSON-RPC message that a decision rests on.
//!
//! The body goes to the backend as it came, so we must read it as every backend would, or not at all: a member
//! that is there twice, or in another case (Go's decoder takes `Method` for `method`), is refused.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// What one POST body says.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    pub(crate) kind: Kind,
    /// The id of a request or of a response.
    pub(crate) id: Option<Value>,
    /// Empty for a response.
    pub(crate) method: Cow<'a, str>,
    pub(crate) params: Params<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Notification,
    Response,
}

/// The members of `params` that name what a method is about.
#[derive(Debug, Default)]
pub(crate) struct Params<'a> {
    pub(crate) name: Option<Cow<'a, str>>,
    pub(crate) uri: Option<Cow<'a, str>>,
    pub(crate) task_id: Option<Cow<'a, str>>,
    /// `_meta."io.modelcontextprotocol/protocolVersion"`: there since revision 2026-07-28.
    pub(crate) protocol_version: Option<Cow<'a, str>>,
}

/// Why a body is not one JSON-RPC message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MessageError {
    #[error("the body is not JSON")]
    Syntax,
    #[error("batches of messages are not accepted: send one message for each request")]
    Batch,
    #[error("the body is not a JSON-RPC 2.0 message")]
    NotAMessage,
    #[error("a member of the message is there twice, or differs from a known one only in case")]
    AmbiguousMember,
    #[error("`params.name` is missing: a string that names the tool")]
    NoToolName,
}

impl<'a> Message<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, MessageError> {
        let mut parser = serde_json::Deserializer::from_slice(body);
        let mut raw = Raw::default();
        let read = Members { raw: &mut raw }.deserialize(&mut parser).and_then(|()| parser.end());
        if raw.batch {
            return Err(MessageError::Batch);
        }
        if raw.ambiguous {
            return Err(MessageError::AmbiguousMember);
        }
        if let Err(error) = read {
            return Err(if error.is_data() {
                MessageError::NotAMessage
            } else {
                MessageError::Syntax
            });
        }
        raw.into_message()
    }

    /// The tool that a `tools/call` names.
    pub(crate) fn tool(&self) -> Option<&str> {
        if self.method == "tools/call" { self.params.name.as_deref() } else { None }
    }

    /// What `Mcp-Name` must say for this message: revision 2026-07-28, "standard request headers".
    pub(crate) fn header_name(&self) -> Option<&str> {
        match &*self.method {
            "tools/call" | "prompts/get" => self.params.name.as_deref(),
            "resources/read" => self.params.uri.as_deref(),
            "tasks/get" | "tasks/update" | "tasks/cancel" => self.params.task_id.as_deref(),
            _ => None,
        }
    }
}

#[derive(Debug, Default)]
struct Raw<'a> {
    jsonrpc: Option<Cow<'a, str>>,
    method: Option<Cow<'a, str>>,
    id: Option<Value>,
    params: Params<'a>,
    answers: bool,
    batch: bool,
    ambiguous: bool,
}

impl<'a> Raw<'a> {
    fn into_message(self) -> Result<Message<'a>, MessageError> {
        if self.jsonrpc.as_deref() != Some("2.0") {
            return Err(MessageError::NotAMessage);
        }
        if !matches!(self.id, None | Some(Value::String(_) | Value::Number(_))) {
            return Err(MessageError::NotAMessage);
        }
        let kind = match (&self.method, &self.id, self.answers) {
            (Some(_), Some(_), false) => Kind::Request,
            (Some(_), None, false) => Kind::Notification,
            (None, _, true) => Kind::Response,
            _ => return Err(MessageError::NotAMessage),
        };
        let method = self.method.unwrap_or_default();
        if method == "tools/call" && self.params.name.is_none() {
            return Err(MessageError::NoToolName);
        }
        Ok(Message { kind, id: self.id, method, params: self.params })
    }
}

/// Reads the members of the message into `raw`, noting what can't be told apart.
struct Members<'r, 'a> {
    raw: &'r mut Raw<'a>,
}

impl<'a> DeserializeSeed<'a> for Members<'_, 'a> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Members<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC message")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, _: A) -> Result<(), A::Error> {
        self.raw.batch = true;
        Err(de::Error::custom("batch"))
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = Seen::new(["jsonrpc", "id", "method", "params", "result", "error"]);
        while let Some(Text(key)) = map.next_key()? {
            match seen.member(&key) {
                Member::Known("jsonrpc") => {
                    self.raw.jsonrpc = Some(map.next_value::<Text<'a>>()?.0)
                }
                Member::Known("id") => self.raw.id = Some(map.next_value()?),
                Member::Known("method") => self.raw.method = Some(map.next_value::<Text<'a>>()?.0),
                Member::Known("params") => {
                    map.next_value_seed(ParamMembers { raw: &mut *self.raw })?;
                }
                Member::Known(_) => {
                    self.raw.answers = true;
                    map.next_value::<IgnoredAny>()?;
                }
                Member::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
                Member::Ambiguous => {
                    self.raw.ambiguous = true;
                    return Err(de::Error::custom("ambiguous"));
                }
            }
        }
        Ok(())
    }
}

/// Reads the members of `params`, which may also be anything else for methods that we do not look into.
struct ParamMembers<'r, 'a> {
    raw: &'r mut Raw<'a>,
}

impl<'a> DeserializeSeed<'a> for ParamMembers<'_, 'a> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for ParamMembers<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = Seen::new(["name", "uri", "taskId", "_meta", "arguments", "cursor"]);
        while let Some(Text(key)) = map.next_key()? {
            let params = &mut self.raw.params;
            match seen.member(&key) {
                Member::Known("name") => params.name = text_or_other(&mut map)?,
                Member::Known("uri") => params.uri = text_or_other(&mut map)?,
                Member::Known("taskId") => params.task_id = text_or_other(&mut map)?,
                Member::Known("_meta") => {
                    params.protocol_version = map.next_value::<Meta<'a>>()?.protocol_version;
                }
                Member::Known(_) | Member::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
                Member::Ambiguous => {
                    self.raw.ambiguous = true;
                    return Err(de::Error::custom("ambiguous"));
                }
            }
        }
        Ok(())
    }
}

/// A string, or nothing if the member is of another type: other methods may use these names otherwise.
fn text_or_other<'a, A: MapAccess<'a>>(map: &mut A) -> Result<Option<Cow<'a, str>>, A::Error> {
    Ok(match map.next_value::<TextOrOther<'a>>()? {
        TextOrOther::Text(text) => Some(text),
        TextOrOther::Other(_) => None,
    })
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum TextOrOther<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Other(IgnoredAny),
}

#[derive(serde::Deserialize)]
struct Meta<'a> {
    #[serde(borrow, default, rename = "io.modelcontextprotocol/protocolVersion")]
    protocol_version: Option<Cow<'a, str>>,
}

/// A string that is borrowed from the body unless it has escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

enum Member {
    Known(&'static str),
    Other,
    Ambiguous,
}

/// Which of a few known members were there already.
struct Seen<const N: usize> {
    known: [&'static str; N],
    seen: [bool; N],
}

impl<const N: usize> Seen<N> {
    fn new(known: [&'static str; N]) -> Self {
        Self { known, seen: [false; N] }
    }

    fn member(&mut self, key: &str) -> Member {
        for (known, seen) in self.known.iter().zip(&mut self.seen) {
            if key == *known {
                return if std::mem::replace(seen, true) {
                    Member::Ambiguous
                } else {
                    Member::Known(known)
                };
            }
            if folds_to(key, known) {
                return Member::Ambiguous;
            }
        }
        Member::Other
    }
}

/// Whether a decoder that ignores case would take `key` for `known`. The long s and the Kelvin sign are the two
/// characters outside ASCII that fold into it.
fn folds_to(key: &str, known: &str) -> bool {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    key.chars().map(fold).eq(known.chars().map(fold))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Message<'_>, MessageError> {
        Message::parse(body.as_bytes())
    }

    #[test]
    fn reads_a_tool_call() {
        let message =
            parse(r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"whoami","arguments":{"name":"x"}}}"#)
                .unwrap();
        assert_eq!(message.kind, Kind::Request);
        assert_eq!(message.id, Some(Value::from(7)));
        assert_eq!(message.tool(), Some("whoami"));
        assert_eq!(message.header_name(), Some("whoami"));
    }

    #[test]
    fn tells_requests_notifications_and_responses_apart() {
        let cases = [
            (r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#, Kind::Request),
            (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, Kind::Notification),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Kind::Response),
            (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no"}}"#, Kind::Response),
        ];
        for (body, kind) in cases {
            assert_eq!(parse(body).unwrap().kind, kind, "{body}");
        }
    }

    #[test]
    fn refuses_what_two_parsers_could_read_differently() {
        let bodies = [
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","NAME":"b"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"},"param\u017f":{"name":"b"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"},"Params":{}}"#,
        ];
        for body in bodies {
            assert_eq!(parse(body).unwrap_err(), MessageError::AmbiguousMember, "{body}");
        }
    }

    #[test]
    fn refuses_what_is_no_message() {
        let cases = [
            ("", MessageError::Syntax),
            ("{", MessageError::Syntax),
            ("nonsense", MessageError::Syntax),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"} {}"#, MessageError::Syntax),
            ("[]", MessageError::Batch),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, MessageError::Batch),
            ("{}", MessageError::NotAMessage),
            ("3", MessageError::NotAMessage),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, MessageError::NotAMessage),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, MessageError::NotAMessage),
            (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, MessageError::NotAMessage),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#, MessageError::NotAMessage),
            (r#"{"jsonrpc":"2.0","id":1,"method":5}"#, MessageError::NotAMessage),
            (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#, MessageError::NoToolName),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}"#,
                MessageError::NotAMessage,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":5}}"#,
                MessageError::NoToolName,
            ),
        ];
        for (body, error) in cases {
            assert_eq!(parse(body).unwrap_err(), error, "{body}");
        }
    }

    #[test]
    fn an_escaped_name_is_the_name() {
        let body = r#"{"jsonrpc":"2.0","id":1,"m\u0065thod":"tools\/call","params":{"n\u0061me":"who\u0061mi"}}"#;
        assert_eq!(parse(body).unwrap().tool(), Some("whoami"));
    }
}
