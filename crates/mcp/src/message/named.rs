//! What a message names that the policy decides about.

use std::borrow::Cow;

use bonafide_policy::Permit;

use super::MessageError;
use super::uri::is_unambiguous;
use crate::json::{self, JsonError};

/// The kinds of things that a backend lists and that can be asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamedKind {
    Tool,
    Prompt,
    Resource,
}

impl NamedKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
        }
    }

    /// Whether the permit covers the thing of this name: the one decision behind each list and each request.
    ///
    /// A policy speaks of tools. A prompt is to it the tool `prompts/NAME`, a resource the tool `resources/URI`, so
    /// that a rule for some tools gives no prompt and no resource away that it does not name. A URI that may be another
    /// spelling of one that a rule names is not covered.
    pub(crate) fn is_allowed(self, permit: &Permit, name: &str) -> bool {
        match self {
            Self::Tool => permit.allows_tool(name),
            // A tool's name has a limit that a URI has not.
            _ if permit.covers_all_tools() => true,
            _ => self.is_comparable(name) && permit.allows_tool(&self.policy_name(name)),
        }
    }

    /// Whether a rule can be compared with the name: a URI has to have one spelling only.
    pub(crate) fn is_comparable(self, name: &str) -> bool {
        self != Self::Resource || is_unambiguous(name)
    }

    /// What the policy calls the thing of this name.
    pub(crate) fn policy_name(self, name: &str) -> String {
        match self {
            Self::Tool => name.to_owned(),
            Self::Prompt => format!("prompts/{name}"),
            Self::Resource => format!("resources/{name}"),
        }
    }
}

/// How many names one message may have. Each is decided about, and looked for in every event of the answer.
pub(crate) const MAX_NAMES: usize = 256;

/// A name in a message.
#[derive(Debug)]
pub(crate) struct Named<'a> {
    pub(crate) kind: NamedKind,
    pub(crate) name: Cow<'a, str>,
    /// The name as it is written in the body, quotes included.
    pub(crate) text: &'a str,
}

impl<'a> Named<'a> {
    fn new(kind: NamedKind, text: Option<&'a str>) -> Result<Self, MessageError> {
        let text = text.ok_or(MessageError::NoName)?;
        let name = json::string(text).ok_or(MessageError::NoName)?;
        Ok(Self { kind, name, text })
    }
}

/// All that a message with this method names. `body` has been read as a message already.
pub(crate) fn named<'a>(method: &str, body: &'a str) -> Result<Vec<Named<'a>>, MessageError> {
    let params = || json::member(body, "params").map(|params| params.unwrap_or("{}"));
    let one = |kind, key| Ok(vec![Named::new(kind, json::member(params()?, key)?)?]);
    match method {
        "tools/call" => one(NamedKind::Tool, "name"),
        "prompts/get" => one(NamedKind::Prompt, "name"),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            one(NamedKind::Resource, "uri")
        }
        "completion/complete" => completed(params()?),
        "subscriptions/listen" => subscribed(params()?),
        _ => Ok(Vec::new()),
    }
}

/// The prompt or the resource template whose argument is to be completed.
fn completed(params: &str) -> Result<Vec<Named<'_>>, MessageError> {
    let Some(reference) = json::member(params, "ref")? else { return Err(MessageError::NoName) };
    let (prompt, resource) = (json::member(reference, "name")?, json::member(reference, "uri")?);
    match (prompt, resource) {
        (prompt, None) => Ok(vec![Named::new(NamedKind::Prompt, prompt)?]),
        (None, resource) => Ok(vec![Named::new(NamedKind::Resource, resource)?]),
        (prompt, resource) => Ok(vec![
            Named::new(NamedKind::Prompt, prompt)?,
            Named::new(NamedKind::Resource, resource)?,
        ]),
    }
}

/// The resources whose changes are to be told: revision 2026-07-28, "subscriptions".
fn subscribed(params: &str) -> Result<Vec<Named<'_>>, MessageError> {
    let Some(filter) = json::member(params, "notifications")? else { return Ok(Vec::new()) };
    let Some(uris) = json::member(filter, "resourceSubscriptions")? else { return Ok(Vec::new()) };
    let uris = json::items(uris)?;
    if uris.len() > MAX_NAMES {
        return Err(MessageError::TooManyNames);
    }
    uris.into_iter().map(|uri| Named::new(NamedKind::Resource, Some(uri))).collect()
}

impl From<JsonError> for MessageError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Unreadable => Self::NotAMessage,
            JsonError::Ambiguous => Self::AmbiguousMember,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(body: &str) -> Result<Vec<(NamedKind, String)>, MessageError> {
        let method = json::member(body, "method").unwrap().and_then(json::string).unwrap();
        let named = named(&method, body)?;
        assert!(named.iter().all(|named| body.contains(named.text)));
        Ok(named.into_iter().map(|named| (named.kind, named.name.into_owned())).collect())
    }

    #[test]
    fn finds_what_each_method_is_about() {
        use NamedKind::{Prompt, Resource, Tool};
        let cases: [(&str, &[(NamedKind, &str)]); 9] = [
            (r#"{"method":"tools/call","params":{"name":"a\u0062"}}"#, &[(Tool, "ab")]),
            (r#"{"method":"prompts/get","params":{"name":"p"}}"#, &[(Prompt, "p")]),
            (r#"{"method":"resources/read","params":{"uri":"x://y"}}"#, &[(Resource, "x://y")]),
            (r#"{"method":"resources/subscribe","params":{"uri":"u"}}"#, &[(Resource, "u")]),
            (
                r#"{"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"p"}}}"#,
                &[(Prompt, "p")],
            ),
            (
                r#"{"method":"completion/complete","params":{"ref":{"uri":"u","name":"p"}}}"#,
                &[(Prompt, "p"), (Resource, "u")],
            ),
            (
                r#"{"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["a","b"]}}}"#,
                &[(Resource, "a"), (Resource, "b")],
            ),
            (
                r#"{"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true}}}"#,
                &[],
            ),
            (r#"{"method":"tools/list"}"#, &[]),
        ];
        for (body, expected) in cases {
            let found = names(body).unwrap();
            let found: Vec<_> = found.iter().map(|(kind, name)| (*kind, &**name)).collect();
            assert_eq!(found, expected, "{body}");
        }
    }

    #[test]
    fn one_message_has_so_many_names_and_no_more() {
        let listen = |count: usize| {
            let uris = vec![r#""u""#; count].join(",");
            format!(
                r#"{{"method":"subscriptions/listen","params":{{"notifications":{{"resourceSubscriptions":[{uris}]}}}}}}"#
            )
        };
        assert_eq!(names(&listen(MAX_NAMES)).unwrap().len(), MAX_NAMES);
        assert_eq!(names(&listen(MAX_NAMES + 1)), Err(MessageError::TooManyNames));
    }

    #[test]
    fn refuses_what_can_not_be_decided_about() {
        for body in [
            r#"{"method":"prompts/get"}"#,
            r#"{"method":"resources/read","params":{"uri":5}}"#,
            r#"{"method":"completion/complete","params":{"ref":{}}}"#,
            r#"{"method":"completion/complete","params":{}}"#,
            r#"{"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":[1]}}}"#,
        ] {
            assert_eq!(names(body), Err(MessageError::NoName), "{body}");
        }
        for body in [
            r#"{"method":"completion/complete","params":{"ref":{"name":"a","Name":"b"}}}"#,
            r#"{"method":"completion/complete","params":{"ref":{"name":"a"},"Ref":{}}}"#,
            r#"{"method":"subscriptions/listen","params":{"notifications":{},"Notifications":{}}}"#,
        ] {
            assert_eq!(names(body), Err(MessageError::AmbiguousMember), "{body}");
        }
    }
}
