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

/// What revision 2026-07-28 has no more: its servers answer as for any method that they don't have.
const REMOVED: [&str; 7] = [
    "initialize",
    "logging/setLevel",
    "ping",
    "resources/subscribe",
    "resources/unsubscribe",
    "tasks/list",
    "tasks/result",
];

/// Whether the gateway knows what a message of this method names. Of any other it can't say what it would do.
/// `stateless`: whether the message is one of revision 2026-07-28.
pub(crate) fn is_known(method: &str, stateless: bool) -> bool {
    KNOWN.contains(&method) && !(stateless && REMOVED.contains(&method))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_specification_does_not_have_is_not_known() {
        for stateless in [false, true] {
            assert!(is_known("tools/call", stateless));
            for method in ["", "tools/Call", "tools/call ", "vendor/run", "notifications/vendor"] {
                assert!(!is_known(method, stateless), "{method}");
            }
        }
    }

    #[test]
    fn a_method_is_known_in_the_revisions_that_have_it() {
        for method in REMOVED {
            assert!(is_known(method, false), "{method}");
            assert!(!is_known(method, true), "{method}");
        }
    }
}
