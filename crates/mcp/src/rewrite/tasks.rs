//! Task ids in what a backend says.

use crate::json::{self, Edits, Entry};
use crate::tasks::{Tasks, related};

/// How much of the answers to one request is about tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The answer may be the handle of a new task, which is short; or a stream has words about tasks among others. What
    /// can't be read goes on as it is.
    Mentions,
    /// As [`Mentions`](Self::Mentions), and the backend is not to say that it lists tasks.
    Capabilities,
    /// It is about tasks, and read whole.
    Whole,
}

/// Gives the tasks in a backend's messages the ids that the client knows them by.
#[derive(Debug, Clone)]
pub(crate) struct TaskIds {
    tasks: Tasks,
    extent: Extent,
}

impl TaskIds {
    pub(crate) fn new(tasks: Tasks, extent: Extent) -> Self {
        Self { tasks, extent }
    }

    pub(super) fn extent(&self) -> Extent {
        self.extent
    }

    /// What the client calls this task of the backend.
    #[cfg(test)]
    pub(super) fn sealed(&self, id: &str) -> String {
        self.tasks.seal(id).unwrap_or_default()
    }

    /// Changes one message.
    pub(super) fn message(&self, members: &[Entry<'_>], edits: &mut Edits<'_>) {
        let value = |key: &str| members.iter().find(|entry| entry.key == key).map(|it| it.value);
        if let Some(result) = value("result") {
            self.result(result, edits);
        }
        let (Some(params), Some(method)) =
            (value("params"), value("method").and_then(json::string))
        else {
            return;
        };
        match &*method {
            "notifications/tasks" | "notifications/tasks/status" => self.task(params, edits),
            "notifications/subscriptions/acknowledged" => {
                if let Some(notifications) = object(params, "notifications") {
                    self.list(notifications, "taskIds", edits, |id| Some(id));
                }
            }
            // These ask for tasks that the client runs, by its own ids.
            method if method.starts_with("tasks/") => return,
            _ => {}
        }
        self.replace(related(params), edits);
    }

    fn result(&self, result: &str, edits: &mut Edits<'_>) {
        self.task(result, edits);
        if let Some(task) = object(result, "task") {
            self.replace(member(task, "taskId"), edits);
        }
        self.list(result, "tasks", edits, |task| member(task, "taskId"));
        self.replace(related(result), edits);
        if self.extent == Extent::Capabilities {
            without_list(result, edits);
        }
    }

    /// A task, with the result that it may have brought.
    fn task(&self, task: &str, edits: &mut Edits<'_>) {
        self.replace(member(task, "taskId"), edits);
        if let Some(result) = object(task, "result") {
            self.replace(related(result), edits);
        }
    }

    fn list(
        &self,
        object: &str,
        key: &str,
        edits: &mut Edits<'_>,
        id: impl Fn(&str) -> Option<&str>,
    ) {
        let items = member(object, key).and_then(|list| json::items(list).ok()).unwrap_or_default();
        for item in items {
            self.replace(id(item), edits);
        }
    }

    /// Puts what the client calls a task in the place of the backend's id.
    fn replace(&self, text: Option<&str>, edits: &mut Edits<'_>) {
        let Some((text, id)) = text.and_then(|text| Some((text, json::string(text)?))) else {
            return;
        };
        if let Some(sealed) = self.tasks.seal(&id) {
            edits.replace(text, serde_json::Value::from(sealed).to_string());
        }
    }
}

/// Takes `list` out of the server's capability for tasks: `initialize` of revision 2025-11-25.
fn without_list(result: &str, edits: &mut Edits<'_>) {
    let tasks = object(result, "capabilities").and_then(|able| object(able, "tasks"));
    let Some((tasks, members)) = tasks.and_then(|tasks| Some((tasks, json::members(tasks).ok()?)))
    else {
        return;
    };
    let kept: Vec<String> = members
        .iter()
        .filter(|entry| entry.key != "list")
        .map(|entry| format!("{}:{}", serde_json::Value::from(&*entry.key), entry.value))
        .collect();
    if kept.len() < members.len() {
        edits.replace(tasks, format!("{{{}}}", kept.join(",")));
    }
}

/// The only member of that name.
fn member<'a>(object: &'a str, key: &str) -> Option<&'a str> {
    json::member(object, key).ok()?
}

fn object<'a>(of: &'a str, key: &str) -> Option<&'a str> {
    member(of, key).filter(|value| value.starts_with('{'))
}
