//! Decisions in the file.

#![expect(clippy::unwrap_used, reason = "a failing test stops there")]

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bonafide_policy::{Audit, Decision, Policy, Rule, TenantId};
use bonafide_sqlite::{SqliteAudit, SqliteFile};
use bonafide_testkit::Issuer;
use rusqlite::Connection;

const SOON: Duration = Duration::from_secs(20);

fn decisions(at: SystemTime) -> [Decision; 3] {
    let rules = [
        Rule::allow("team").with_groups(["dev"]).with_tenants(["github"]),
        Rule::allow("second").with_groups(["dev"]).with_tenants(["github"]),
        Rule::deny("no-delete").with_tenants(["github"]).with_tools(["delete_*"]),
    ];
    let policy = Policy::builder().with_rules(rules).build().unwrap();
    let alice = Issuer::new("https://idp.example").user("al'ice").with_groups(["dev"]).verified();
    let tenant = |id: &str| id.parse::<TenantId>().unwrap();
    let permit = policy.permit(&alice, &tenant("github")).unwrap();
    [
        Decision::permitted(&permit, at).with_request_id("r-1"),
        Decision::denied(&permit.tool("delete_'; DROP TABLE audit;").unwrap_err(), at),
        Decision::denied(&policy.permit(&alice, &tenant("jira")).unwrap_err(), at),
    ]
}

fn write(sink: SqliteAudit, decisions: impl IntoIterator<Item = Decision>) {
    let audit = Audit::builder().with_sink(sink).start().unwrap();
    decisions.into_iter().for_each(|decision| audit.record(decision));
    assert!(audit.flush(SOON));
    assert_eq!(audit.lost(), 0);
}

fn rows(path: &Path) -> Vec<Vec<Option<String>>> {
    let file = Connection::open(path).unwrap();
    let mut statement = file
        .prepare(
            "SELECT at, issuer, directory, subject, username, tenant, tool, outcome, reason, rules, request_id
             FROM audit ORDER BY id",
        )
        .unwrap();
    let read = |row: &rusqlite::Row<'_>| (0..11).map(|at| row.get(at)).collect();
    statement.query_map([], read).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_row_says_who_where_what_and_why() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    let file = SqliteFile::open(&path).unwrap();
    write(file.audit(), decisions(UNIX_EPOCH + Duration::from_millis(1_795_305_601_042)));
    let row = |tenant, tool, outcome, reason, rules, request| {
        [
            Some("2026-11-22T00:00:01.042Z"),
            Some("https://idp.example"),
            None,
            Some("al'ice"),
            Some("al'ice"),
            Some(tenant),
            tool,
            Some(outcome),
            reason,
            Some(rules),
            request,
        ]
        .map(|text| text.map(str::to_owned))
        .to_vec()
    };
    let delete = Some("delete_'; DROP TABLE audit;");
    assert_eq!(
        rows(&path),
        [
            row("github", None, "allowed", None, "[\"team\",\"second\"]", Some("r-1")),
            row("github", delete, "denied", Some("rule"), "[\"no-delete\"]", None),
            row("jira", None, "denied", Some("unknown_tenant"), "[]", None),
        ]
    );
}

#[test]
fn what_is_older_than_asked_for_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    let file = SqliteFile::open(&path).unwrap();
    let now = SystemTime::now();
    let [old, ..] = decisions(now - Duration::from_secs(7200));
    let [new, ..] = decisions(now - Duration::from_secs(60));
    write(file.audit(), [old.clone(), new.clone()]);
    assert_eq!(rows(&path).len(), 2, "all are kept unless told otherwise");
    write(file.audit().with_keep(Duration::from_secs(3600)), [new]);
    assert_eq!(rows(&path).len(), 2, "the old one is gone and a new one there");
    write(file.audit().with_keep(Duration::from_secs(30)), [old]);
    assert_eq!(rows(&path).len(), 0);
}

/// Another process has the file, and then has not.
#[test]
fn a_locked_file_blocks_no_decision() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    let file = SqliteFile::open(&path).unwrap();
    let audit = Audit::builder().with_sink(file.audit()).start().unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let [decision, ..] = decisions(SystemTime::now());
    let started = std::time::Instant::now();
    for _ in 0..1000 {
        audit.record(decision.clone());
    }
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert!(!audit.flush(Duration::from_millis(50)), "nothing can be written yet");
    other.execute_batch("COMMIT").unwrap();
    assert!(audit.flush(SOON));
    assert_eq!((audit.lost(), rows(&path).len()), (0, 1000));
}
