//! Decisions that are written down.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bonafide_policy::{Audit, Decision, Permit, Policy, Rule};
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

fn denied(permit: &Permit, tool: &str) -> Decision {
    Decision::denied(&permit.tool(tool).unwrap_err(), SystemTime::now())
}

fn flush(audit: &Audit) -> bool {
    tokio::task::block_in_place(|| audit.flush(LIMIT))
}

pub(crate) async fn writes_each_decision_once(server: &Server) {
    let url = server.database().await;
    let audit = Audit::builder().with_sink(postgres(&url).audit().unwrap()).start().unwrap();
    let permit = permit();
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_305_601_042);
    audit.record(Decision::permitted(&permit, at).with_request_id("r-1"));
    for number in 0..1000 {
        let tool = format!("read_{number}");
        audit.record(Decision::tool_permitted(&permit.tool(&tool).unwrap(), at));
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
