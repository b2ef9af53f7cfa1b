//! Decisions that are written down.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bonafide_policy::{
    AUDIT_REACH, Action, Audit, AuditEntry, AuditEvent, AuditQuery, AuditTrail, Permit, Policy,
    Rule, TrailError,
};
use bonafide_testkit::Issuer;
use tokio::time::sleep;

use crate::server::{Server, connect, postgres};

const LIMIT: Duration = Duration::from_secs(40);

fn permit() -> Permit {
    let user = Issuer::new("https://idp.example").user("alice").with_groups(["staff"]).verified();
    let rule = Rule::allow("staff").with_groups(["staff"]).with_tenants(["github"]);
    let tools = rule.with_tools(["read_*"]);
    let policy = Policy::builder().with_rule(tools).build().unwrap();
    policy.permit(&user, &"github".parse().unwrap()).unwrap()
}

fn denied(permit: &Permit, tool: &str) -> AuditEvent {
    AuditEvent::denied(&permit.tool(tool).unwrap_err(), SystemTime::now())
}

fn flush(audit: &Audit) -> bool {
    tokio::task::block_in_place(|| audit.flush(LIMIT))
}

pub(crate) async fn writes_each_decision_once(server: &Server) {
    let url = server.database().await;
    let audit = Audit::builder().with_sink(postgres(&url).audit().unwrap()).start().unwrap();
    let permit = permit();
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_305_601_042);
    audit.record(AuditEvent::permitted(&permit, at).with_request_id("r-1"));
    for number in 0..1000 {
        let tool = format!("read_{number}");
        audit.record(AuditEvent::tool_permitted(&permit.tool(&tool).unwrap(), at));
    }
    // What a client can make up must keep nothing out of the audit.
    for tool in ["a\0b", "'; DROP TABLE bonafide.audit --", "\u{1f980}", "{\"a\",\"b\"}", "NULL"] {
        audit.record(denied(&permit, tool));
    }
    assert!(flush(&audit));
    assert_eq!(audit.lost(), 0);
    let sql = connect(&url).await;
    let count = "SELECT count(*) FROM bonafide.audit";
    assert_eq!(sql.query_one(count, &[]).await.unwrap().get::<_, i64>(0), 1006);
    let first = "SELECT issuer, directory, subject, tenant, tool, outcome, reason, rules::text, request_id, at
                 FROM bonafide.audit ORDER BY number LIMIT 1";
    let row = sql.query_one(first, &[]).await.unwrap();
    let texts: Vec<Option<&str>> = (0..9).map(|at| row.get(at)).collect();
    let expected = [
        Some("https://idp.example"),
        None,
        Some("alice"),
        Some("github"),
        None,
        Some("allowed"),
        None,
        Some("[\"staff\"]"),
        Some("r-1"),
    ];
    assert_eq!(texts, expected);
    assert_eq!(row.get::<_, SystemTime>(9), at);
    let tools = "SELECT tool FROM bonafide.audit WHERE outcome = 'denied' ORDER BY number";
    let tools = sql.query(tools, &[]).await.unwrap();
    let tools: Vec<&str> = tools.iter().map(|row| row.get(0)).collect();
    assert_eq!(tools[0], "a\u{fffd}b");
    assert_eq!(
        tools[1..],
        ["'; DROP TABLE bonafide.audit --", "\u{1f980}", "{\"a\",\"b\"}", "NULL"]
    );
}

/// Decisions go on while the server is away, and none is lost or written twice.
pub(crate) async fn outlives_a_server_that_is_away_for_a_moment(_: &Server) {
    let server = Server::start();
    let url = server.database().await;
    let audit = Audit::builder().with_sink(postgres(&url).audit().unwrap()).start().unwrap();
    let permit = Arc::new(permit());
    let deciding = {
        let (audit, permit) = (audit.clone(), Arc::clone(&permit));
        tokio::spawn(async move {
            for _ in 0..2000 {
                audit.record(denied(&permit, "write"));
                sleep(Duration::from_millis(1)).await;
            }
        })
    };
    for _ in 0..2 {
        sleep(Duration::from_millis(400)).await;
        server.stop();
        sleep(Duration::from_millis(300)).await;
        server.run();
    }
    deciding.await.unwrap();
    assert!(flush(&audit));
    assert_eq!(audit.lost(), 0);
    let count = "SELECT count(*) FROM bonafide.audit";
    let count: i64 = connect(&url).await.query_one(count, &[]).await.unwrap().get(0);
    assert_eq!(count, 2000);
}

pub(crate) async fn counts_what_it_could_not_write(server: &Server) {
    let url = server.database().await;
    let store = postgres(&url);
    store.prepare().await.unwrap();
    let sql = connect(&url).await;
    sql.batch_execute("ALTER TABLE bonafide.audit ADD CHECK (tenant <> 'github')").await.unwrap();
    let audit = Audit::builder().with_sink(store.audit().unwrap()).start().unwrap();
    let permit = permit();
    for _ in 0..10 {
        audit.record(denied(&permit, "write"));
    }
    assert!(flush(&audit));
    assert_eq!(audit.lost(), 10);
    // One that is not there at all, with little patience.
    let nowhere = postgres(&url.replace(&format!(":{}/", server.port), ":1/"));
    let sink = nowhere.audit().unwrap().with_patience(Duration::from_millis(100));
    let audit = Audit::builder().with_sink(sink).start().unwrap();
    audit.record(denied(&permit, "write"));
    assert!(flush(&audit));
    assert_eq!(audit.lost(), 1);
}

/// What was written comes back in the same words, newest first, page by page, also where many have the same time.
pub(crate) async fn what_was_written_is_read_newest_first(server: &Server) {
    let url = server.database().await;
    let store = postgres(&url);
    let trail = store.trail();
    let nothing = trail.recent(&AuditQuery::newest(10)).await.unwrap();
    assert!(nothing.entries.is_empty() && nothing.older.is_none());
    let (permit, at) =
        (permit(), SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_305_601_042_007));
    let bob = Issuer::new("https://idp.example").user("bob").verified();
    let mut events = vec![
        AuditEvent::permitted(&permit, at).with_request_id("r-1"),
        AuditEvent::new(Action::Reset, permit.user(), at)
            .with_tenant(permit.tenant())
            .with_variable("TOKEN")
            .with_owner(bob.id()),
        AuditEvent::new(Action::SignIn, &bob, at),
        AuditEvent::denied(&permit.tool("write").unwrap_err(), at + Duration::from_micros(1)),
    ];
    let mut expected: Vec<AuditEntry> = events.iter().map(AuditEntry::from).collect();
    expected.reverse();
    let audit = Audit::builder().with_sink(store.audit().unwrap()).start().unwrap();
    events.drain(..).for_each(|event| audit.record(event));
    assert!(flush(&audit));
    let mut query = AuditQuery::newest(3);
    let first = trail.recent(&query).await.unwrap();
    query.before = first.older;
    let second = trail.recent(&query).await.unwrap();
    assert_eq!((first.entries.len(), second.entries.len(), second.older), (3, 1, None));
    assert!([first.entries, second.entries].concat() == expected);

    let mut of_bob = AuditQuery::newest(10);
    of_bob.subject = Some("bob".to_owned());
    let found = trail.recent(&of_bob).await.unwrap().entries;
    let actions: Vec<&str> = found.iter().map(|entry| &*entry.action).collect();
    assert_eq!(actions, ["sign_in", "reset"]);
    of_bob.tenant = Some("github".to_owned());
    assert_eq!(trail.recent(&of_bob).await.unwrap().entries.len(), 1);
    query.before = Some("'; DROP TABLE bonafide.audit --".to_owned());
    assert!(matches!(trail.recent(&query).await, Err(TrailError::Place)));

    // A question about somebody who did little ends, and says where to go on.
    let sql = connect(&url).await;
    let many = format!(
        "INSERT INTO bonafide.audit (writer, number, at, issuer, subject, tenant, outcome, rules)
         SELECT 'ffffffff-0000-0000-0000-000000000000', i, '2099-01-01', 'https://idp.example', 'busy', 'github',
             'allowed', '[]' FROM generate_series(1, {AUDIT_REACH}) AS i"
    );
    sql.batch_execute(&many).await.unwrap();
    of_bob.tenant = None;
    let page = trail.recent(&of_bob).await.unwrap();
    assert!(page.entries.is_empty() && page.older.is_some());
    of_bob.before = page.older;
    let page = trail.recent(&of_bob).await.unwrap();
    assert_eq!((page.entries.len(), page.older), (2, None));
}

/// In the background, some thousands at once, and by one gateway at a time.
pub(crate) async fn removes_what_is_older_than_asked_for(server: &Server) {
    const LOCK: i64 = i64::from_be_bytes(*b"bfaudit0");
    let url = server.database().await;
    let store = postgres(&url);
    store.prepare().await.unwrap();
    let sql = connect(&url).await;
    sql.batch_execute(
        "INSERT INTO bonafide.audit (writer, number, at, issuer, subject, tenant, outcome, rules)
         SELECT gen_random_uuid(), i, now() - interval '2 hours', 'https://idp.example', 'alice', 'github', 'allowed',
             '[]' FROM generate_series(1, 12000) AS i;
         INSERT INTO bonafide.audit (writer, number, at, issuer, subject, tenant, outcome, rules)
         SELECT gen_random_uuid(), i, now(), 'https://idp.example', 'alice', 'github', 'allowed', '[]'
         FROM generate_series(1, 10) AS i",
    )
    .await
    .unwrap();
    let count = async || {
        let count = "SELECT count(*) FROM bonafide.audit";
        sql.query_one(count, &[]).await.unwrap().get::<_, i64>(0)
    };
    let hour = Duration::from_secs(3600);
    // Another gateway is at it.
    sql.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await.unwrap();
    let second = store.audit().unwrap().with_keep(hour);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(count().await, 12_010);
    drop(second);
    sql.execute("SELECT pg_advisory_unlock($1)", &[&LOCK]).await.unwrap();
    let audit = Audit::builder().with_sink(store.audit().unwrap().with_keep(hour)).start().unwrap();
    let started = std::time::Instant::now();
    while count().await > 10 {
        assert!(started.elapsed() < LIMIT, "{} are left", count().await);
        sleep(Duration::from_millis(50)).await;
    }
    audit.record(denied(&permit(), "write"));
    assert!(flush(&audit));
    assert_eq!((count().await, audit.lost()), (11, 0));
}

/// Tables as they were before there was anything in the audit but decisions.
pub(crate) async fn an_older_audit_is_brought_up_to_date(server: &Server) {
    let url = server.database().await;
    postgres(&url).prepare().await.unwrap();
    let sql = connect(&url).await;
    sql.batch_execute(
        "ALTER TABLE bonafide.audit DROP COLUMN action, DROP COLUMN variable, DROP COLUMN owner_issuer,
             DROP COLUMN owner_directory, DROP COLUMN owner_subject, ALTER COLUMN tenant SET NOT NULL;
         UPDATE bonafide.schema_version SET version = 2",
    )
    .await
    .unwrap();
    let insert = "INSERT INTO bonafide.audit (writer, number, at, issuer, subject, tenant, outcome, rules)
         VALUES (gen_random_uuid(), 1, now(), 'https://idp.example', 'alice', 'github', 'allowed', '[\"team\"]')";
    sql.batch_execute(insert).await.unwrap();
    let store = postgres(&url);
    store.prepare().await.unwrap();
    // The older program goes on.
    sql.batch_execute(insert).await.unwrap();
    let audit = Audit::builder().with_sink(store.audit().unwrap()).start().unwrap();
    audit.record(AuditEvent::new(Action::SignIn, permit().user(), SystemTime::now()));
    assert!(flush(&audit));
    assert_eq!(audit.lost(), 0);
    let page = store.trail().recent(&AuditQuery::newest(10)).await.unwrap();
    let found: Vec<_> =
        page.entries.iter().map(|entry| (&*entry.action, entry.tenant.as_deref())).collect();
    assert_eq!(found, [("sign_in", None), ("use", Some("github")), ("use", Some("github"))]);
    assert_eq!(page.entries[1].rules, ["team"]);
}
