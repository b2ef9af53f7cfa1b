//! A request that comes again, with the answer to what was asked.

use std::time::SystemTime;

use bonafide_policy::Permit;
use bytes::Bytes;

use super::REQUEST_KEY;
use super::state::{Asked, States, digest, seconds};
use crate::json::{self, Edits, JsonError};
use crate::message::Message;

/// A request with a state of ours, which was opened.
#[derive(Debug, Clone)]
pub(crate) struct Retry {
    pub(crate) asked: Asked,
    pub(crate) answer: Answered,
    /// The message as the backend may have it: without what is ours, with what was the backend's.
    pub(crate) body: Bytes,
}

/// What the user said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    /// That they open the page: not yet that they did what it asks for.
    Accepted,
    /// That they do not.
    Declined,
    /// Nothing.
    Not,
}

/// Why a state is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RetryError {
    #[error("`requestState` is not for this request: send the request again without it")]
    Invalid,
    #[error("`requestState` has expired: send the request again without it")]
    Expired,
}

impl From<JsonError> for RetryError {
    fn from(_: JsonError) -> Self {
        Self::Invalid
    }
}

impl Retry {
    /// `None` if there is no state of ours: the message goes on as it came.
    pub(crate) fn read(
        states: &States,
        permit: &Permit,
        message: &Message<'_>,
        body: &str,
        now: SystemTime,
    ) -> Result<Option<Self>, RetryError> {
        let state = message.params.request_state.as_deref();
        let Some(sealed) = state.and_then(|state| states.sealed(state)) else {
            return Ok(None);
        };
        let asked = states.open(permit.user().id(), permit.tenant(), sealed);
        let asked = asked.map_err(|error| {
            tracing::info!(%error, "refused a request state");
            RetryError::Invalid
        })?;
        if asked.request != digest(&message.method, body) {
            return Err(RetryError::Invalid);
        }
        if seconds(now) >= asked.expires {
            return Err(RetryError::Expired);
        }
        let params = json::member(body, "params")?.ok_or(RetryError::Invalid)?;
        let answer = answered(params)?;
        let mut edits = Edits::new(body);
        edits.replace(params, restored(params, &asked)?);
        let body = Bytes::from(edits.apply()?.into_owned());
        Ok(Some(Self { asked, answer, body }))
    }
}

fn answered(params: &str) -> Result<Answered, JsonError> {
    let Some(responses) = json::member(params, "inputResponses")? else { return Ok(Answered::Not) };
    let Some(response) = json::member(responses, REQUEST_KEY)? else { return Ok(Answered::Not) };
    let action = json::member(response, "action")?.and_then(json::string);
    Ok(match action.as_deref() {
        Some("accept") => Answered::Accepted,
        Some(_) => Answered::Declined,
        None => Answered::Not,
    })
}

/// `params` as they were when we asked.
fn restored(params: &str, asked: &Asked) -> Result<String, JsonError> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut members: Vec<String> = json::members(params)?
        .into_iter()
        .filter(|entry| entry.key != "requestState" && entry.key != "inputResponses")
        .map(|entry| format!("{}:{}", quoted(&entry.key), entry.value))
        .collect();
    if let Some(responses) = &asked.responses {
        members.push(format!("\"inputResponses\":{}", responses.get()));
    }
    if let Some(state) = &asked.state {
        members.push(format!("\"requestState\":{}", quoted(state)));
    }
    Ok(format!("{{{}}}", members.join(",")))
}
