//! Whether a permit covers what a message asks for.

use std::borrow::Cow;

use bonafide_policy::Permit;
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

use super::endpoint::{Refused, invalid_message, unable};
use super::metrics::Outcome;
use crate::GatewayBody;
use crate::json::Edits;
use crate::message::{Kind, Message, MessageError, Named, NamedKind, is_known, named};
use crate::refusal::{code, error};
use crate::rewrite::{Probe, Rewriter, TaskIds};
use crate::standard_headers::{check_standard_headers, set_name};

/// What goes to the backend: the message as it came, or with names that are not there in place of those that the
/// user may not use.
#[derive(Default)]
pub(super) struct Authorized {
    pub(super) body: Bytes,
    pub(super) probes: Vec<Probe>,
    /// The names that were decided about one by one, as the policy knows them.
    pub(super) decided: Vec<Decided>,
    /// Tasks in the answer get the ids that the client knows.
    pub(super) tasks: Option<TaskIds>,
    /// The backend's id of the task that the message is about.
    pub(super) task_name: Option<String>,
    /// Whether the answer comes when that task has ended, and not before.
    pub(super) waits: bool,
}

impl Authorized {
    pub(super) fn outcome(&self) -> Outcome {
        if self.probes.is_empty() { Outcome::Forwarded } else { Outcome::Denied }
    }

    /// What is done to the answer. The headers are made to say what the body says.
    pub(super) fn rewriter(
        self,
        permit: &Permit,
        message: Option<&Message<'_>>,
        headers: &mut HeaderMap,
    ) -> Option<Rewriter> {
        for probe in &self.probes {
            probe.ask_in_header(headers);
        }
        if let Some(name) = &self.task_name {
            set_name(headers, name);
        }
        Rewriter::new(permit, message, self.probes, self.tasks)
    }
}

/// A name, and whether a rule can be compared with it. If not, it is denied.
pub(super) struct Decided {
    pub(super) name: String,
    pub(super) comparable: bool,
}

/// Checks that the headers say the same as the body, and decides about everything that the message names.
pub(super) fn authorize(
    permit: &Permit,
    message: &Message<'_>,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Authorized, Refused> {
    let id = message.id.as_ref();
    check_standard_headers(headers, message).map_err(|mismatch| {
        let text = mismatch.to_string();
        let response = error(StatusCode::BAD_REQUEST, id, code::HEADER_MISMATCH, &text);
        Refused::new(Outcome::Invalid, response)
    })?;
    let all_tools = message.tool().is_none_or(|tool| NamedKind::Tool.is_allowed(permit, tool));
    // A call names one tool, which was read with the message.
    if all_tools && (permit.covers_all_tools() || message.tool().is_some()) {
        return Ok(Authorized { body: body.clone(), ..Authorized::default() });
    }
    let stateless = message.params.protocol_version.is_some();
    if message.kind != Kind::Response && !is_known(&message.method, stateless) {
        return Err(unknown_method(permit, message));
    }
    let refuse = |refusal: MessageError| invalid_message(id, &refusal);
    let text = std::str::from_utf8(body).map_err(|_| refuse(MessageError::Syntax))?;
    let named = named(&message.method, text).map_err(refuse)?;
    let denied: Vec<&Named<'_>> =
        named.iter().filter(|named| !named.kind.is_allowed(permit, &named.name)).collect();
    let mut edits = Edits::new(text);
    let mut probes = Vec::new();
    if let Some(first) = denied.first() {
        let (tenant, kind, names) = (permit.tenant().as_str(), first.kind.as_str(), denied.len());
        tracing::info!(tenant, kind, names, "denied by name");
    }
    for named in denied {
        let probe = Probe::new(named).map_err(|failure| unable(id, &failure))?;
        probe.ask(named, &mut edits);
        probes.push(probe);
    }
    let body = match edits.apply().map_err(|error| refuse(error.into()))? {
        Cow::Borrowed(_) => body.clone(),
        Cow::Owned(changed) => changed.into(),
    };
    let decide = |named: &Named<'_>| Decided {
        name: named.kind.policy_name(&named.name),
        comparable: named.kind.is_comparable(&named.name),
    };
    let decided = named.iter().map(decide).collect();
    Ok(Authorized { body, probes, decided, ..Authorized::default() })
}

/// What a server says that has no such method, which is no more than this user's permit says. One that would not be
/// answered is dropped.
pub(super) fn unknown_method(permit: &Permit, message: &Message<'_>) -> Refused {
    tracing::info!(tenant = permit.tenant().as_str(), "denied an unknown method");
    if message.kind == Kind::Notification {
        return dropped();
    }
    // Until revision 2025-11-25, 404 says that the session is over.
    let status = match message.params.protocol_version {
        Some(_) => StatusCode::NOT_FOUND,
        None => StatusCode::OK,
    };
    let response = error(status, message.id.as_ref(), code::METHOD_NOT_FOUND, "Method not found");
    Refused::new(Outcome::Denied, response)
}

/// What a notification is answered with that goes no further.
pub(super) fn dropped() -> Refused {
    let mut response = Response::new(GatewayBody::default());
    *response.status_mut() = StatusCode::ACCEPTED;
    Refused::new(Outcome::Denied, response)
}
