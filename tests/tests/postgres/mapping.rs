//! The policy in the database, and who hears of its changes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bonafide_policy::{
    Mapping, MappingStore, Persona, Policy, PolicyHandle, PolicyStore, Reloader, conformance,
};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::server::{Server, connect, postgres};
use crate::wire::Wire;

pub(crate) async fn keeps_the_contract_of_a_mapping(server: &Server) {
    conformance::run(|| async {
        let url = server.database().await;
        // As two gateways would.
        [(); 2].map(|()| Arc::new(postgres(&url).mapping()) as Arc<dyn MappingStore>)
    })
    .await;
}

struct Gateway {
    handle: PolicyHandle,
    task: JoinHandle<()>,
}

impl Gateway {
    async fn start(url: &str) -> Self {
        let store: Arc<dyn PolicyStore> = Arc::new(postgres(url).mapping());
        let reloader = Reloader::start(Policy::builder(), vec![store]).await.unwrap();
        let handle = reloader.handle().clone();
        Self { handle, task: tokio::spawn(async move { reloader.run().await }) }
    }

    fn allows(&self, tenant: &str) -> bool {
        let dev = ["dev".parse().unwrap()];
        let ann = Persona::new("https://idp.example".parse().unwrap(), "ann".parse().unwrap());
        let reach = self.handle.current().what_if(&ann.with_groups(dev));
        reach.allows(&tenant.parse().unwrap(), None)
    }

    async fn until(&self, tenant: &str, allowed: bool, limit: Duration) -> Duration {
        let started = Instant::now();
        while self.allows(tenant) != allowed {
            assert!(started.elapsed() < limit, "`{tenant}` is not {allowed} after {limit:?}");
            sleep(Duration::from_millis(1)).await;
        }
        started.elapsed()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const SECOND: Duration = Duration::from_secs(1);

pub(crate) async fn a_change_with_sql_is_in_force_everywhere_within_a_second(server: &Server) {
    let url = server.database().await;
    let gateways = [Gateway::start(&url).await, Gateway::start(&url).await];
    let sql = connect(&url).await;
    let table = "bonafide.group_tenant_mapping";
    let mut longest = Duration::ZERO;
    for (statement, allowed) in [
        (format!("INSERT INTO {table} (group_name, tenant) VALUES ('dev', 'github')"), true),
        (format!("UPDATE {table} SET effect = 'deny'"), false),
        (format!("UPDATE {table} SET effect = 'allow'"), true),
        (format!("TRUNCATE {table}"), false),
        (format!("INSERT INTO {table} (group_name, tenant) VALUES ('dev', 'github')"), true),
        (format!("DELETE FROM {table}"), false),
    ] {
        sql.batch_execute(&statement).await.unwrap();
        for gateway in &gateways {
            longest = longest.max(gateway.until("github", allowed, SECOND).await);
        }
    }
    println!("6 changes with SQL, in force at both within {longest:?}");
    // What is not committed is not in force.
    let mut sql = sql;
    let change = sql.transaction().await.unwrap();
    let insert = format!("INSERT INTO {table} (group_name, tenant) VALUES ('dev', 'jira')");
    change.batch_execute(&insert).await.unwrap();
    sleep(Duration::from_millis(200)).await;
    assert!(!gateways[0].allows("jira"));
    change.commit().await.unwrap();
    gateways[0].until("jira", true, SECOND).await;
}

pub(crate) async fn what_was_changed_while_nobody_listened_is_read_afterwards(server: &Server) {
    let url = server.database().await;
    let wire = Wire::to(server.port).await;
    let gateway = Gateway::start(&wire.url(&url)).await;
    let other = postgres(&url).mapping();
    for round in 0..3 {
        wire.cut();
        wire.set_dead(true);
        let added = other.add(vec![Mapping::allow("dev", "github")]).await.unwrap();
        sleep(Duration::from_millis(300)).await;
        assert!(!gateway.allows("github"), "the wire was not dead");
        wire.set_dead(false);
        gateway.until("github", true, Duration::from_secs(20)).await;
        other.remove(vec![added[0].id]).await.unwrap();
        gateway.until("github", false, SECOND).await;
        assert!(gateway.handle.status().problem.is_none(), "round {round}");
    }
}

/// The old policy stays, and the new one is in force when the server is back.
pub(crate) async fn outlives_a_server_that_is_away(_: &Server) {
    let server = Server::start();
    let url = server.database().await;
    let gateway = Gateway::start(&url).await;
    let mapping = postgres(&url).mapping();
    mapping.add(vec![Mapping::allow("dev", "github")]).await.unwrap();
    gateway.until("github", true, SECOND).await;
    server.stop();
    // Nobody hears of changes now, and the policy in force does not pass for the newest.
    let started = Instant::now();
    while gateway.handle.status().problem.is_none() {
        assert!(started.elapsed() < Duration::from_secs(30), "nobody says that the policy is old");
        sleep(Duration::from_millis(100)).await;
    }
    assert!(gateway.allows("github"));
    server.run();
    let insert =
        "INSERT INTO bonafide.group_tenant_mapping (group_name, tenant) VALUES ('dev', 'jira')";
    connect(&url).await.batch_execute(insert).await.unwrap();
    gateway.until("jira", true, Duration::from_secs(20)).await;
    assert!(gateway.handle.status().problem.is_none());
}

/// What the table itself takes and refuses, for people with SQL.
pub(crate) async fn the_table_refuses_what_can_not_be_right(server: &Server) {
    let url = server.database().await;
    postgres(&url).prepare().await.unwrap();
    let sql = connect(&url).await;
    let insert = |columns: &str, values: &str| {
        format!("INSERT INTO bonafide.group_tenant_mapping ({columns}) VALUES ({values})")
    };
    for (columns, values) in [
        ("group_name, tenant", "'', 'github'"),
        ("group_name, tenant", "'dev', 'GitHub'"),
        ("group_name, tenant", "'dev', ''"),
        ("group_name, tenant, effect", "'dev', 'github', 'Allow'"),
        ("group_name, tenant, tools", "'dev', 'github', ''"),
        ("group_name, tenant, issuer", "'dev', 'github', ''"),
        ("tenant", "'github'"),
        ("id, group_name, tenant", "1, 'dev', 'github'"),
    ] {
        let refused = sql.batch_execute(&insert(columns, values)).await;
        assert!(refused.is_err(), "{columns}: {values}");
    }
    sql.batch_execute(&insert("group_name, tenant", "'dev', 'github'")).await.unwrap();
    let twice =
        sql.batch_execute(&insert("group_name, tenant, note", "'dev', 'github', 'x'")).await;
    assert!(twice.is_err());
    sql.batch_execute(&insert("group_name, tenant", "'Dev', 'github'")).await.unwrap();
}
