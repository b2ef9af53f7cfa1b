//! Decisions in the file.

#![expect(clippy::unwrap_used, reason = "a failing test stops there")]

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bonafide_policy::{
    AUDIT_REACH, Action, Audit, AuditEntry, AuditEvent, AuditQuery, AuditTrail, MAX_AUDIT_PAGE,
    Policy, Rule, TenantId, TrailError,
};
use bonafide_sqlite::{SqliteAudit, SqliteFile};
use bonafide_testkit::Issuer;
use rusqlite::Connection;

const SOON: Duration = Duration::from_secs(20);

fn decisions(at: SystemTime) -> [AuditEvent; 3] {
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
        AuditEvent::permitted(&permit, at).with_request_id("r-1"),
        AuditEvent::denied(&permit.tool("delete_'; DROP TABLE audit;").unwrap_err(), at),
        AuditEvent::denied(&policy.permit(&alice, &tenant("jira")).unwrap_err(), at),
    ]
}

fn write(sink: SqliteAudit, decisions: impl IntoIterator<Item = AuditEvent>) {
    let audit = Audit::builder().with_sink(sink).start().unwrap();
    decisions.into_iter().for_each(|decision| audit.record(decision));
    assert!(audit.flush(SOON));
    assert_eq!(audit.lost(), 0);
}

fn rows(path: &Path) -> Vec<Vec<Option<String>>> {
    let file = Connection::open(path).unwrap();
    let mut statement = file
        .prepare(
            "SELECT at, issuer, directory, subject, username, tenant, tool, outcome, reason, rules, request_id,
                    action, variable, owner_issuer, owner_subject
             FROM audit ORDER BY id",
        )
        .unwrap();
    let read = |row: &rusqlite::Row<'_>| (0..15).map(|at| row.get(at)).collect();
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
            Some("use"),
            None,
            None,
            None,
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

fn user(subject: &str) -> bonafide_claims::VerifiedUser {
    Issuer::new("https://idp.example").user(subject).verified()
}

fn reset(by: &str, of: &str, tenant: &str, at: SystemTime) -> AuditEvent {
    AuditEvent::new(Action::Reset, &user(by), at)
        .with_tenant(&tenant.parse().unwrap())
        .with_variable("TOKEN")
        .with_owner(user(of).id())
}

/// What was written comes back in the same words, newest first, page by page.
#[tokio::test]
async fn what_was_written_is_read_newest_first() {
    let directory = tempfile::tempdir().unwrap();
    let file = SqliteFile::open(directory.path().join("bonafide.db")).unwrap();
    let trail = file.trail();
    let nothing = trail.recent(&AuditQuery::newest(10)).await.unwrap();
    assert_eq!((nothing.entries.len(), nothing.older), (0, None));

    let at = UNIX_EPOCH + Duration::from_millis(1_795_305_601_042);
    let mut events = decisions(at).to_vec();
    events.push(reset("root", "alice", "github", at));
    events.push(AuditEvent::new(Action::SignIn, &user("bob"), at));
    let mut expected: Vec<AuditEntry> = events.iter().map(AuditEntry::from).collect();
    expected.reverse();
    let audit = Audit::builder().with_sink(file.audit()).start().unwrap();
    events.into_iter().for_each(|event| audit.record(event));
    assert!(tokio::task::spawn_blocking(move || audit.flush(SOON)).await.unwrap());

    let all = trail.recent(&AuditQuery::newest(10)).await.unwrap();
    assert!(all.entries == expected && all.older.is_none());
    let mut query = AuditQuery::newest(2);
    let mut pages = Vec::new();
    loop {
        let page = trail.recent(&query).await.unwrap();
        assert!(page.entries.len() <= 2);
        pages.extend(page.entries);
        let Some(older) = page.older else { break };
        query.before = Some(older);
    }
    assert!(pages == expected);

    for wrong in ["", "x", "1;DROP TABLE audit", "99999999999999999999"] {
        let mut query = AuditQuery::newest(2);
        query.before = Some(wrong.to_owned());
        assert!(matches!(trail.recent(&query).await, Err(TrailError::Place)), "{wrong}");
    }
    assert_eq!(AuditQuery::newest(0).limit, 1);
    assert_eq!(AuditQuery::newest(usize::MAX).limit, MAX_AUDIT_PAGE);
}

/// What somebody did, what was done to them, and what concerned a tenant.
#[tokio::test(flavor = "multi_thread")]
async fn entries_are_found_by_user_and_tenant_within_reach() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    let file = SqliteFile::open(&path).unwrap();
    let at = SystemTime::now();
    let events = [
        reset("root", "alice", "github", at),
        reset("root", "bob", "github", at),
        reset("alice", "carol", "jira", at),
        AuditEvent::new(Action::SignIn, &user("alice"), at),
    ];
    let sink = file.audit();
    tokio::task::spawn_blocking(move || write(sink, events)).await.unwrap();
    let trail = file.trail();
    let found = async |subject: Option<&str>, tenant: Option<&str>| {
        let mut query = AuditQuery::newest(10);
        (query.subject, query.tenant) = (subject.map(str::to_owned), tenant.map(str::to_owned));
        let page = trail.recent(&query).await.unwrap();
        page.entries
            .into_iter()
            .map(|it| format!("{} {}", it.subject, it.action))
            .collect::<Vec<_>>()
    };
    assert_eq!(found(Some("alice"), None).await, ["alice sign_in", "alice reset", "root reset"]);
    assert_eq!(found(Some("alice"), Some("github")).await, ["root reset"]);
    assert_eq!(found(None, Some("github")).await, ["root reset", "root reset"]);
    for nobody in ["ALICE", "alic", "%", "' OR 1=1 --", ""] {
        assert!(found(Some(nobody), None).await.is_empty(), "{nobody}");
    }

    // A question about somebody who did little ends, and says where to go on.
    let many = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {AUDIT_REACH})
         INSERT INTO audit (at, issuer, subject, tenant, outcome, rules)
         SELECT '2026-11-22T00:00:01.042Z', 'https://idp.example', 'busy', 'github', 'allowed', '[]' FROM n"
    );
    Connection::open(&path).unwrap().execute_batch(&many).unwrap();
    let mut query = AuditQuery::newest(10);
    query.subject = Some("alice".to_owned());
    let page = trail.recent(&query).await.unwrap();
    assert!(page.entries.is_empty() && page.older.is_some());
    query.before = page.older;
    let page = trail.recent(&query).await.unwrap();
    assert_eq!((page.entries.len(), page.older), (3, None));
}

/// The table as it was before there was anything in it but decisions.
#[tokio::test]
async fn an_older_audit_is_brought_up_to_date_and_older_programs_go_on_writing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    drop(SqliteFile::open(&path).unwrap());
    let old = Connection::open(&path).unwrap();
    let insert = "INSERT INTO audit (at, issuer, directory, subject, username, tenant, tool, outcome, reason, rules, request_id)
         VALUES ('2026-11-22T00:00:01.042Z', 'https://idp.example', NULL, 'alice', 'alice', 'github', 'read', 'allowed',
                 NULL, '[\"team\",\"second\"]', 'r-1')";
    old.execute_batch(&format!(
        "ALTER TABLE audit DROP COLUMN action;
         ALTER TABLE audit DROP COLUMN variable;
         ALTER TABLE audit DROP COLUMN owner_issuer;
         ALTER TABLE audit DROP COLUMN owner_directory;
         ALTER TABLE audit DROP COLUMN owner_subject;
         PRAGMA user_version = 4;
         {insert}"
    ))
    .unwrap();
    let file = SqliteFile::open(&path).unwrap();
    let version: i64 = old.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 5);
    old.execute_batch(insert).unwrap();
    let page = file.trail().recent(&AuditQuery::newest(10)).await.unwrap();
    assert_eq!(page.entries.len(), 2);
    for entry in page.entries {
        let said = (&*entry.action, entry.tenant.as_deref(), entry.tool.as_deref());
        assert_eq!(said, ("use", Some("github"), Some("read")));
        assert_eq!(entry.rules, ["team", "second"]);
    }
}
