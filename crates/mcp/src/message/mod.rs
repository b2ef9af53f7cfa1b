//! The parts of a JSON-RPC message that a decision rests on.
//!
//! The body goes to the backend as it came, so we must read it as every backend would, or not at all: a member
//! that is there twice, or in another case (Go's decoder takes `Method` for `method`), is refused.

mod method;
mod named;
mod parse;
#[cfg(test)]
mod tests;
mod uri;

use std::borrow::Cow;

use serde::de::DeserializeSeed as _;
use serde_json::Value;

use crate::json;
pub(crate) use method::is_known;
pub(crate) use named::{Named, NamedKind, named};
use parse::{Members, Raw};

/// The extension of revision 2026-07-28 that has tasks.
const TASKS: &str = "io.modelcontextprotocol/tasks";

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
    /// Whether the client wants a task: `task` of revision 2025-11-25.
    pub(crate) task: bool,
    /// `_meta."io.modelcontextprotocol/protocolVersion"`: there since revision 2026-07-28.
    pub(crate) protocol_version: Option<Cow<'a, str>>,
    /// What the client can do: `_meta."io.modelcontextprotocol/clientCapabilities"`, or `capabilities` of `initialize`.
    pub(crate) capabilities: Option<&'a str>,
    /// `_meta.progressToken`, as it is written.
    pub(crate) progress_token: Option<&'a str>,
    /// What a server asked the client to bring back: revision 2026-07-28, "multi round-trip requests".
    pub(crate) request_state: Option<Cow<'a, str>>,
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
    #[error("the prompt or resource that this is about is not named, or not by a string")]
    NoName,
    #[error("a message names at most {max} resources: split the subscription", max = named::MAX_NAMES)]
    TooManyNames,
}

impl<'a> Message<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, MessageError> {
        // Also where we do not look: what is not UTF-8 is something else to every decoder (RFC 8259, section 8.1).
        let body = std::str::from_utf8(body).map_err(|_| MessageError::Syntax)?;
        let mut parser = serde_json::Deserializer::from_str(body);
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

    /// Whether the client says that it can send its user to a page. `elicitation: {}` says that it can show a form.
    pub(crate) fn declares_url(&self) -> bool {
        let url = || {
            let elicitation = json::member(self.params.capabilities?, "elicitation").ok()??;
            json::member(elicitation, "url").ok()?
        };
        url().is_some_and(|url| url.starts_with('{'))
    }

    /// Whether its answer may be a task: one that the client asks for, or one that it says it can take.
    pub(crate) fn may_begin_task(&self) -> bool {
        let declared = || {
            let capabilities = self.params.capabilities.filter(|text| text.contains(TASKS))?;
            let extensions = json::member(capabilities, "extensions").ok()??;
            json::member(extensions, TASKS).ok()?
        };
        match &self.params.protocol_version {
            None => self.params.task,
            Some(_) => self.method == "tools/call" && declared().is_some(),
        }
    }

    /// Whether its answer is a stream that stands for as long as the client likes, and not the outcome of something.
    pub(crate) fn is_subscription(&self) -> bool {
        self.method == "subscriptions/listen"
    }

    /// Whether it is answered when a task has ended, and not before: revision 2025-11-25, "tasks", "retrieving task results".
    pub(crate) fn waits_for_task(&self) -> bool {
        self.method == "tasks/result"
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
