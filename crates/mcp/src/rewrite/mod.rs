//! Answers that must not reach the client as the backend made them.
//!
//! A user to whom the policy gives some of a tenant's tools gets every answer looked at, not only the one to
//! `tools/list`: which answer is for which request is known to the backend alone, and a second request with the id of
//! the first, or a stream that is resumed, can make it arrive elsewhere. What has the shape of a list is filtered.

mod echo;
mod events;
mod no_list;
mod probe;
mod tasks;

use std::borrow::Cow;

use bonafide_policy::Permit;
use serde::de::IgnoredAny;

pub(crate) use echo::{Echo, EchoFilter, Place};
pub(crate) use events::{EventError, EventRewriter};
use no_list::has_no_list;
pub(crate) use probe::{Probe, random_name};
pub(crate) use tasks::{Extent, TaskIds};

use crate::json::{self, Edits, JsonError, folds_to};
use crate::message::{Message, NamedKind};

/// Lists in a result, and by which member of an item the policy knows it.
const LISTS: [(&str, &str, NamedKind); 4] = [
    ("tools", "name", NamedKind::Tool),
    ("prompts", "name", NamedKind::Prompt),
    ("resources", "uri", NamedKind::Resource),
    ("resourceTemplates", "uriTemplate", NamedKind::Resource),
];

/// The methods whose results say who may keep them: revision 2026-07-28, "caching".
const CACHEABLE: [&str; 6] = [
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "server/discover",
    "tools/list",
];

/// What is changed in the answers to one request.
#[derive(Debug, Clone)]
pub(crate) struct Rewriter {
    /// Lists are filtered by what this covers.
    permit: Option<Permit>,
    /// `cacheScope` becomes `private`.
    private: bool,
    probes: Vec<Probe>,
    /// Tasks get the ids that the client knows.
    tasks: Option<TaskIds>,
}

impl Rewriter {
    /// `None` if answers go on as they come.
    pub(crate) fn new(
        permit: &Permit,
        message: Option<&Message<'_>>,
        probes: Vec<Probe>,
        tasks: Option<TaskIds>,
    ) -> Option<Self> {
        let permit = (!permit.covers_all_tools()).then(|| permit.clone());
        let private = message.is_some_and(|message| {
            message.params.protocol_version.is_some() && CACHEABLE.contains(&&*message.method)
        });
        let nothing = permit.is_none() && !private && probes.is_empty() && tasks.is_none();
        (!nothing).then_some(Self { permit, private, probes, tasks })
    }

    /// Whether it looks for nothing but words about tasks among others. On those nothing rests, as only ids that were given
    /// out are taken back: what can't be read, or is too long, goes on as it is.
    pub(crate) fn is_lenient(&self) -> bool {
        let mentions = self.tasks.as_ref().is_some_and(|tasks| tasks.extent() != Extent::Whole);
        mentions && self.permit.is_none() && !self.private && self.probes.is_empty()
    }

    /// One JSON text, a message or several, as the client may have it.
    pub(crate) fn rewrite<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, JsonError> {
        let only_lists = !self.private && self.probes.is_empty() && self.tasks.is_none();
        if only_lists && has_no_list(text) {
            return Ok(Cow::Borrowed(text));
        }
        if !self.is_lenient() {
            return self.changed(text);
        }
        // Whatever is changed has it in its name.
        if !text.contains("task") {
            return Ok(Cow::Borrowed(text));
        }
        Ok(self.changed(text).unwrap_or(Cow::Borrowed(text)))
    }

    fn changed<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, JsonError> {
        let mut edits = Edits::new(text);
        self.messages(text, &mut edits)?;
        let mut text = edits.apply()?;
        for probe in &self.probes {
            if let Some(restored) = probe.restore(&text) {
                text = Cow::Owned(restored);
            }
        }
        Ok(text)
    }

    /// The same for what is not JSON, of which only the name that was asked for is of interest.
    pub(crate) fn restore<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.probes
            .iter()
            .fold(Cow::Borrowed(text), |text, probe| probe.restore(&text).map_or(text, Cow::Owned))
    }

    fn messages(&self, text: &str, edits: &mut Edits<'_>) -> Result<(), JsonError> {
        // Revision 2025-03-26 lets a server answer with several messages at once.
        if text.trim_ascii_start().starts_with('[') {
            return json::items(text)?.into_iter().try_for_each(|text| self.message(text, edits));
        }
        self.message(text, edits)
    }

    fn message(&self, text: &str, edits: &mut Edits<'_>) -> Result<(), JsonError> {
        // A number or a text is no message, and shows nobody a list.
        if !text.trim_ascii_start().starts_with(['{', '[']) {
            let scalar = serde_json::from_str::<IgnoredAny>(text);
            return scalar.map(|_| ()).map_err(|_| JsonError::Unreadable);
        }
        let members = json::members(text)?;
        for entry in &members {
            if folds_to(&entry.key, "result") && entry.value.starts_with('{') {
                self.result(entry.value, edits)?;
            }
        }
        if let Some(tasks) = &self.tasks {
            tasks.message(&members, edits);
        }
        Ok(())
    }

    fn result(&self, text: &str, edits: &mut Edits<'_>) -> Result<(), JsonError> {
        let members = json::members(text)?;
        let mut scoped = !self.private;
        for entry in &members {
            if let Some(permit) = &self.permit
                && let Some((_, key, kind)) = list(&entry.key)
                && let Some(kept) = filter(permit, entry.value, key, kind)
            {
                edits.replace(entry.value, kept);
            }
            if self.private && folds_to(&entry.key, "cacheScope") {
                scoped = true;
                if entry.value != PRIVATE {
                    edits.replace(entry.value, PRIVATE);
                }
            }
            // A result that asks for something is for nobody's cache.
            scoped |= entry.key == "resultType" && entry.value != r#""complete""#;
        }
        if !scoped {
            let comma = if members.is_empty() { "" } else { "," };
            edits.insert_after_bracket(text, format!(r#""cacheScope":{PRIVATE}{comma}"#));
        }
        Ok(())
    }
}

const PRIVATE: &str = r#""private""#;

fn list(key: &str) -> Option<(&'static str, &'static str, NamedKind)> {
    LISTS.into_iter().find(|(list, _, _)| folds_to(key, list))
}

/// The list without what the permit does not cover. `None` if it covers all. An item that does not say what it is
/// is not covered.
fn filter(permit: &Permit, list: &str, key: &str, kind: NamedKind) -> Option<String> {
    let Ok(items) = json::items(list) else { return Some("[]".to_owned()) };
    let covered = |item: &&str| {
        let name = json::member(item, key).ok().flatten().and_then(json::string);
        name.is_some_and(|name| kind.is_allowed(permit, &name))
    };
    let kept: Vec<&str> = items.iter().copied().filter(covered).collect();
    (kept.len() < items.len()).then(|| format!("[{}]", kept.join(",")))
}

#[cfg(test)]
mod tests;
