//! Decisions, written down.

#![expect(clippy::unwrap_used, reason = "a failing test stops there")]

use std::fs;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bonafide_claims::VerifiedUser;
use bonafide_policy::{
    Action, Audit, AuditError, AuditEvent, AuditSink, JsonLines, LogSink, Outcome, Policy, Rule,
    TenantId,
};
use bonafide_testkit::Issuer;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);

fn alice() -> VerifiedUser {
    Issuer::new("https://idp.example").user("alice").with_groups(["dev"]).verified()
}

fn policy() -> Policy {
    let rules = [
        Rule::allow("team").with_groups(["dev"]).with_tenants(["github"]),
        Rule::deny("no-delete").with_tenants(["github"]).with_tools(["delete_*"]),
    ];
    Policy::builder().with_rules(rules).build().unwrap()
}

fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

fn at() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_795_305_601_042)
}

fn decisions() -> [AuditEvent; 4] {
    let (policy, alice) = (policy(), alice());
    let permit = policy.permit(&alice, &tenant("github")).unwrap();
    [
        AuditEvent::permitted(&permit, at()),
        AuditEvent::tool_permitted(&permit.tool("read").unwrap(), at()).with_request_id("r-1"),
        AuditEvent::denied(&permit.tool("delete_repo").unwrap_err(), at()),
        AuditEvent::denied(&policy.permit(&alice, &tenant("jira")).unwrap_err(), at()),
    ]
}

fn decision() -> AuditEvent {
    let [decision, ..] = decisions();
    decision
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn write_to(sink: impl AuditSink, decisions: impl IntoIterator<Item = AuditEvent>) {
    let audit = Audit::builder().with_sink(sink).start().unwrap();
    decisions.into_iter().for_each(|decision| audit.record(decision));
    assert!(audit.flush(SOON));
    assert_eq!(audit.lost(), 0);
}

#[test]
fn a_decision_says_who_where_what_and_why() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    write_to(JsonLines::open(&path).unwrap(), decisions());
    let expected = |tenant, tool: Value, outcome, reason: Value, rules: Value, request: Value| {
        json!({
            "at": "2026-11-22T00:00:01.042Z",
            "issuer": "https://idp.example", "directory": null,
            "subject": "alice", "username": "alice",
            "action": "use", "tenant": tenant, "tool": tool, "variable": null,
            "owner_issuer": null, "owner_directory": null, "owner_subject": null,
            "outcome": outcome, "reason": reason, "rules": rules, "request_id": request,
        })
    };
    let (none, team) = (Value::Null, json!(["team"]));
    assert_eq!(
        lines(&path),
        [
            expected("github", none.clone(), "allowed", none.clone(), team.clone(), none.clone()),
            expected("github", json!("read"), "allowed", none.clone(), team, json!("r-1")),
            expected(
                "github",
                json!("delete_repo"),
                "denied",
                json!("rule"),
                json!(["no-delete"]),
                none.clone()
            ),
            expected("jira", none.clone(), "denied", json!("unknown_tenant"), json!([]), none),
        ]
    );
}

#[test]
fn a_program_can_read_a_decision() {
    let [_, tool, denied, _] = decisions();
    assert_eq!(tool.user().subject().as_str(), "alice");
    assert_eq!(
        (tool.tenant(), tool.tool(), tool.at()),
        (Some(&tenant("github")), Some("read"), at())
    );
    assert_eq!((tool.outcome(), tool.request_id()), (&Outcome::Allowed, Some("r-1")));
    assert_eq!((tool.username(), tool.rules().len()), (Some("alice"), 1));
    assert_eq!(denied.outcome().reason(), Some("rule"));
}

#[test]
fn what_an_administrator_did_says_to_whom_and_names_no_value() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let bob = Issuer::new("https://idp.example").user("bob").verified();
    let reset = AuditEvent::new(Action::Reset, &alice(), at())
        .with_tenant(&tenant("github"))
        .with_variable("TOKEN")
        .with_owner(bob.id());
    let all = AuditEvent::new(Action::RemoveUser, &alice(), at()).with_owner(bob.id());
    let failed = AuditEvent::new(Action::SignOut, &alice(), at()).with_outcome(Outcome::Failed);
    assert_eq!((reset.action(), reset.owner()), (Action::Reset, Some(bob.id())));
    let shown = format!("{reset:?} {:?}", bonafide_policy::AuditEntry::from(&reset));
    assert!(!shown.contains("alice") && !shown.contains("bob"), "{shown}");
    write_to(JsonLines::open(&path).unwrap(), [reset, all, failed]);
    let none = Value::Null;
    let expected = |action, tenant: &Value, variable: &Value, owner: [&Value; 2], outcome| {
        json!({
            "at": "2026-11-22T00:00:01.042Z",
            "issuer": "https://idp.example", "directory": null,
            "subject": "alice", "username": "alice",
            "action": action, "tenant": tenant, "tool": null, "variable": variable,
            "owner_issuer": owner[0], "owner_directory": null, "owner_subject": owner[1],
            "outcome": outcome, "reason": null, "rules": [], "request_id": null,
        })
    };
    let owner = [&json!("https://idp.example"), &json!("bob")];
    assert_eq!(
        lines(&path),
        [
            expected("reset", &json!("github"), &json!("TOKEN"), owner, "allowed"),
            expected("remove_user", &none, &none, owner, "allowed"),
            expected("sign_out", &none, &none, [&none, &none], "failed"),
        ]
    );
}

#[test]
fn a_name_that_is_no_tools_is_shortened() {
    let (policy, alice) = (policy(), alice());
    let permit = policy.permit(&alice, &tenant("github")).unwrap();
    let tool = |name: &str| {
        let denial = permit.tool(name).unwrap_err();
        AuditEvent::denied(&denial, at()).tool().unwrap().to_owned()
    };
    let exact = format!("delete_{}", "x".repeat(1017));
    assert_eq!(tool(&exact), exact);
    assert_eq!(tool(&"é".repeat(1 << 20)), format!("{}…", "é".repeat(512)));
}

#[test]
fn debug_shows_nothing_of_the_user() {
    let user = Issuer::new("https://idp.example").user("canary").verified();
    let denial = policy().permit(&user, &tenant("github")).unwrap_err();
    let shown = format!("{:?}", AuditEvent::denied(&denial, at()));
    assert!(shown.contains("github") && !shown.contains("canary"), "{shown}");
}

#[cfg(unix)]
#[test]
fn the_file_is_its_owners_and_grows_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    write_to(JsonLines::open(&path).unwrap(), [decision()]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    write_to(JsonLines::open(&path).unwrap(), [decision()]);
    assert_eq!(lines(&path).len(), 2);
}

#[test]
fn a_full_file_is_put_aside_and_the_oldest_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let line = serde_json::to_string(&decision()).unwrap().len() as u64 + 1;
    let mut sink = JsonLines::open(&path).unwrap().with_max_bytes(2 * line).with_keep(2);
    for _ in 0..7 {
        sink.write(&[Arc::new(decision())]).unwrap();
    }
    let old = |number| directory.path().join(format!("audit.jsonl.{number}"));
    assert_eq!((lines(&path).len(), lines(&old(1)).len(), lines(&old(2)).len()), (1, 2, 2));
    assert!(!old(3).exists());
}

#[test]
fn a_line_that_was_cut_off_spoils_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    fs::write(&path, "{\"at\":").unwrap();
    write_to(JsonLines::open(&path).unwrap(), [decision()]);
    let text = fs::read_to_string(&path).unwrap();
    let last = text.lines().nth(1).unwrap();
    assert!(serde_json::from_str::<Value>(last).is_ok(), "{text}");
}

#[test]
fn a_file_that_was_moved_away_is_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (path, moved) = (directory.path().join("a"), directory.path().join("b"));
    let mut sink = JsonLines::open(&path).unwrap();
    sink.write(&[Arc::new(decision())]).unwrap();
    fs::rename(&path, &moved).unwrap();
    sink.write(&[Arc::new(decision())]).unwrap();
    assert_eq!((lines(&path).len(), lines(&moved).len()), (1, 1));
}

/// Waits before each write until the test lets it go on.
#[derive(Debug)]
struct Slow(Mutex<Receiver<()>>);

impl AuditSink for Slow {
    fn write(&mut self, _: &[Arc<AuditEvent>]) -> Result<(), AuditError> {
        let _ = self.0.lock().unwrap().recv();
        Ok(())
    }
}

fn slow() -> (Slow, Sender<()>) {
    let (sender, receiver) = channel();
    (Slow(Mutex::new(receiver)), sender)
}

#[test]
fn a_slow_sink_blocks_nobody_and_what_is_lost_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let (slow, go_on) = slow();
    let audit = Audit::builder()
        .with_sink(slow)
        .with_sink(JsonLines::open(&path).unwrap())
        .with_queue(1000)
        .start()
        .unwrap();
    let decision = decision();
    let start = Instant::now();
    for _ in 0..1000 {
        audit.record(decision.clone());
    }
    // The slow sink took at most one batch off its queue, so these few thousand do not fit.
    for _ in 0..3000 {
        audit.record(decision.clone());
        std::thread::sleep(Duration::from_micros(20));
    }
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(audit.lost() >= 2000, "{}", audit.lost());
    assert!(!audit.flush(Duration::from_millis(10)));
    drop(go_on);
    assert!(audit.flush(SOON));
    let written = u64::try_from(lines(&path).len()).unwrap();
    assert!(written >= 4000 - audit.lost());
}

#[derive(Debug)]
struct Broken;

impl AuditSink for Broken {
    fn write(&mut self, _: &[Arc<AuditEvent>]) -> Result<(), AuditError> {
        Err(AuditError::Sink("no such table".into()))
    }
}

#[test]
fn what_a_broken_sink_loses_is_counted() {
    let audit = Audit::builder().with_sink(Broken).with_sink(LogSink::new()).start().unwrap();
    decisions().into_iter().for_each(|decision| audit.record(decision));
    assert!(audit.flush(SOON));
    assert_eq!(audit.lost(), 4);
}

#[test]
fn without_sinks_there_is_nothing_to_wait_for() {
    let audit = Audit::builder().start().unwrap();
    audit.record(decision());
    assert!(audit.flush(Duration::ZERO));
    assert_eq!(audit.lost(), 0);
}
