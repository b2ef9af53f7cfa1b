//! The task ids of backends, as clients see them.

use std::sync::Arc;

use bonafide_policy::Permit;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::Shared;
use super::authorize::{Authorized, dropped, unknown_method};
use super::endpoint::{Refused, invalid_message, unable};
use super::metrics::Outcome;
use crate::Tenant;
use crate::json::{self, Edits, JsonError};
use crate::message::{Kind, Message, MessageError, Named, NamedKind, is_known};
use crate::refusal::{code, error};
use crate::rewrite::{Extent, Probe, TaskIds};
use crate::tasks::{Tasks, related};

const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// The only revision whose sessions have tasks.
const WITH_TASKS: &[u8] = b"2025-11-25";

impl Shared {
    /// Puts the backend's own task ids in the place of those that the client sends, and sees to it that the answers come
    /// with the client's. A task of somebody else, or of another tenant, is answered as one that is not there.
    pub(super) fn open_tasks(
        &self,
        permit: &Permit,
        tenant: &Tenant,
        message: Option<&Message<'_>>,
        parts: &Parts,
        authorized: &mut Authorized,
    ) -> Result<(), Refused> {
        let tasks = || Tasks::new(Arc::clone(&self.tasks), permit.clone());
        let mentions = || TaskIds::new(tasks(), Extent::Mentions);
        let Some(message) = message else {
            authorized.tasks = may_speak_of_tasks(parts).then(mentions);
            return Ok(());
        };
        let known = is_known(&message.method, message.params.protocol_version.is_some());
        authorized.tasks = match (&*message.method, message.kind) {
            (method, _) if is_of_tasks(method) && !known => {
                return Err(unknown_method(permit, message));
            }
            ("tasks/get" | "tasks/result" | "tasks/cancel" | "tasks/update", _) => {
                Some(TaskIds::new(open_named(message, tasks(), authorized)?, Extent::Whole))
            }
            ("tasks/list", _) if tenant.has_task_list() => {
                Some(TaskIds::new(tasks(), Extent::Whole))
            }
            ("tasks/list", _) => return Err(unknown_method(permit, message)),
            ("subscriptions/listen", _) => open_subscribed(message, tasks, authorized)?
                .map(|tasks| TaskIds::new(tasks, Extent::Mentions)),
            (_, Kind::Response | Kind::Notification) => {
                open_related(tasks, authorized);
                None
            }
            ("initialize", _) if !tenant.has_task_list() => {
                Some(TaskIds::new(tasks(), Extent::Capabilities))
            }
            _ => message.may_begin_task().then(mentions),
        };
        Ok(())
    }
}

fn may_speak_of_tasks(parts: &Parts) -> bool {
    let version = parts.headers.get(VERSION).map(HeaderValue::as_bytes);
    parts.method == Method::GET && version == Some(WITH_TASKS)
}

/// The tasks of the user, of which the message is about one. For any other a random id takes its place, so that the backend
/// answers as it does for a task that is not there.
fn open_named(
    message: &Message<'_>,
    mut tasks: Tasks,
    authorized: &mut Authorized,
) -> Result<Tasks, Refused> {
    if message.kind == Kind::Notification {
        return Err(dropped());
    }
    let body = authorized.body.clone();
    let text = std::str::from_utf8(&body).unwrap_or_default();
    let written = || json::member(json::member(text, "params").ok()??, "taskId").ok()?;
    let Some(written) = written() else { return Ok(tasks) };
    let Some(sealed) = json::string(written) else { return Err(no_such_task(message)) };
    let mut edits = Edits::new(text);
    match tasks.open(&sealed) {
        Some(id) => {
            edits.replace(written, quoted(&id));
            authorized.task_name = Some(id);
            authorized.waits = message.waits_for_task();
        }
        None => {
            tracing::info!("asked for a task that is not one of this user at this tenant");
            let named = Named { kind: NamedKind::Tool, name: sealed, text: written };
            let id = message.id.as_ref();
            let probe = Probe::new(&named).map_err(|failure| unable(id, &failure))?;
            probe.ask(&named, &mut edits);
            authorized.probes.push(probe);
        }
    }
    authorized.change(edits).map_err(|refusal| refuse(message, refusal))?;
    Ok(tasks)
}

/// Opens the tasks that the client wants to hear of, and leaves out those that are not its own. `None` if it names none.
fn open_subscribed(
    message: &Message<'_>,
    tasks: impl Fn() -> Tasks,
    authorized: &mut Authorized,
) -> Result<Option<Tasks>, Refused> {
    let body = authorized.body.clone();
    let text = std::str::from_utf8(&body).unwrap_or_default();
    let wanted = task_ids(text).map_err(|failure| refuse(message, failure.into()))?;
    let Some((written, ids)) = wanted else { return Ok(None) };
    let mut tasks = tasks();
    let opened: Vec<String> =
        ids.into_iter().filter_map(|id| Some(quoted(&tasks.open(&json::string(id)?)?))).collect();
    let mut edits = Edits::new(text);
    edits.replace(written, format!("[{}]", opened.join(",")));
    authorized.change(edits).map_err(|refusal| refuse(message, refusal))?;
    Ok(Some(tasks))
}

/// The ids of a subscription: the list as it is written, and its items.
fn task_ids(text: &str) -> Result<Option<(&str, Vec<&str>)>, JsonError> {
    let Some(params) = json::member(text, "params")? else { return Ok(None) };
    let Some(filter) = json::member(params, "notifications")? else { return Ok(None) };
    let Some(ids) = json::member(filter, "taskIds")? else { return Ok(None) };
    Ok(Some((ids, json::items(ids)?)))
}

/// Opens the id in the metadata of a message, which only says what it belongs to. One that is not ours may be the client's
/// own, of a task that it runs for the server.
fn open_related(tasks: impl Fn() -> Tasks, authorized: &mut Authorized) {
    let body = authorized.body.clone();
    let text = std::str::from_utf8(&body).unwrap_or_default();
    if !text.contains("related-task") {
        return;
    }
    let mut tasks = tasks();
    let mut edits = Edits::new(text);
    for part in ["params", "result"] {
        let written = json::member(text, part).ok().flatten().and_then(related);
        let id = written.and_then(json::string).and_then(|sealed| tasks.open(&sealed));
        if let (Some(written), Some(id)) = (written, id) {
            edits.replace(written, quoted(&id));
        }
    }
    // What can't be changed goes on as it is: it decides nothing.
    let _ = authorized.change(edits);
}

impl Authorized {
    fn change(&mut self, edits: Edits<'_>) -> Result<(), MessageError> {
        let changed = edits.apply()?.into_owned();
        self.body = Bytes::from(changed);
        Ok(())
    }
}

/// Whether a server that ignores case would take the method for one about tasks.
fn is_of_tasks(method: &str) -> bool {
    method.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("tasks/"))
}

/// What is no string is no id, and somebody could make one of it.
fn no_such_task(message: &Message<'_>) -> Refused {
    let id = message.id.as_ref();
    let response = error(StatusCode::OK, id, code::INVALID_PARAMS, "there is no such task");
    Refused::new(Outcome::NotFound, response)
}

fn refuse(message: &Message<'_>, refusal: MessageError) -> Refused {
    invalid_message(message.id.as_ref(), &refusal)
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
