//! The methods that the gateway understands.

/// What a client may send by the specification, revisions 2025-03-26 to 2026-07-28.
const KNOWN: [&str; 25] = [
    "completion/complete",
    "initialize",
    "logging/setLevel",
    "notifications/cancelled",
    "notifications/initialized",
    "notifications/progress",
    "notifications/roots/list_changed",
    "notifications/tasks/status",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "server/discover",
    "subscriptions/listen",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tasks/update",
    "tools/call",
    "tools/list",
];

/// Whether the gateway knows what a message of this method names. Of any other it can't say what it would do.
pub(crate) fn is_known(method: &str) -> bool {
    KNOWN.contains(&method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_specification_does_not_have_is_not_known() {
        assert!(is_known("tools/call") && is_known("notifications/initialized"));
        for method in ["", "tools/Call", "tools/call ", "vendor/run", "notifications/vendor"] {
            assert!(!is_known(method), "{method}");
        }
    }
}
