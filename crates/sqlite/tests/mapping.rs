//! The policy in the file, changed by several processes and with SQL.

#![expect(clippy::unwrap_used, reason = "a failing test stops there")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bonafide_policy::{
    Mapping, MappingStore, Policy, PolicyStore, Reloader, StoreError, conformance,
};
use bonafide_sqlite::SqliteFile;
use rusqlite::Connection;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let next = AtomicUsize::new(0);
    conformance::run(|| async {
        let name = format!("{}.db", next.fetch_add(1, Ordering::SeqCst));
        let path = directory.path().join(name);
        [(); 2].map(|()| -> Arc<dyn MappingStore> {
            Arc::new(SqliteFile::open(&path).unwrap().mapping())
        })
    })
    .await;
}

/// As somebody with another program.
fn sql(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection
}

fn blocks(language: &str) -> Vec<&'static str> {
    const MAPPING: &str = include_str!("../../policy/MAPPING.md");
    let blocks = MAPPING.split("```").skip(1).step_by(2);
    blocks.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect()
}

#[tokio::test]
async fn the_statements_of_the_documentation_work() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    let mapping = SqliteFile::open(&path).unwrap().mapping();
    let [first, others] = blocks("sql").try_into().unwrap();
    let file = sql(&path);
    file.execute_batch(first).unwrap();
    let added = mapping.rows().await.unwrap();
    assert!(added.into_iter().map(|row| row.mapping).eq([Mapping::allow("MCP-GitHub", "github")]));
    file.execute_batch(others).unwrap();
    let path = Mapping::allow("/eng", "jira")
        .with_issuer("https://sso.example.com/realms/main")
        .with_subtree();
    let left = mapping.rows().await.unwrap();
    assert!(left.into_iter().map(|row| row.mapping).eq([path]), "what is removed is removed");
}

#[test]
fn the_table_is_the_one_of_the_documentation() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, theirs) = (directory.path().join("ours.db"), directory.path().join("theirs.db"));
    drop(SqliteFile::open(&ours).unwrap());
    let [tables] = blocks("sqlite").try_into().unwrap();
    sql(&theirs).execute_batch(tables).unwrap();
    let schema = |path: &Path| -> Vec<String> {
        let file = sql(path);
        let mut statement = file
            .prepare(
                "SELECT sql FROM sqlite_schema WHERE type <> 'trigger'
                 AND name IN ('group_tenant_mapping', 'group_tenant_mapping_once') ORDER BY name",
            )
            .unwrap();
        let plain = |sql: String| sql.split_whitespace().collect::<Vec<_>>().join(" ");
        statement.query_map([], |row| row.get(0).map(plain)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(schema(&ours).len(), 2);
    assert_eq!(schema(&ours), schema(&theirs));
}

#[test]
fn the_table_refuses_what_cannot_be_a_mapping() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    drop(SqliteFile::open(&path).unwrap());
    let file = sql(&path);
    let good = "INSERT INTO group_tenant_mapping (group_name, tenant) VALUES ('g', 't')";
    file.execute_batch(good).unwrap();
    for wrong in [
        good,
        "INSERT INTO group_tenant_mapping (group_name) VALUES ('g')",
        "INSERT INTO group_tenant_mapping (tenant) VALUES ('t')",
        "INSERT INTO group_tenant_mapping (group_name, tenant) VALUES ('', 't')",
        "INSERT INTO group_tenant_mapping (group_name, tenant) VALUES ('g', 'GitHub')",
        "INSERT INTO group_tenant_mapping (group_name, tenant) VALUES ('g', '-t')",
        "INSERT INTO group_tenant_mapping (group_name, tenant) VALUES ('g', '')",
        "INSERT INTO group_tenant_mapping (group_name, tenant) VALUES ('g', x'67')",
        "INSERT INTO group_tenant_mapping (group_name, tenant, effect) VALUES ('g', 't', 'forbid')",
        "INSERT INTO group_tenant_mapping (group_name, tenant, subtree) VALUES ('g', 't', 2)",
        "INSERT INTO group_tenant_mapping (group_name, tenant, tools) VALUES ('g', 't', '')",
        "INSERT INTO group_tenant_mapping (group_name, tenant, issuer) VALUES ('g', 't', '')",
        "UPDATE group_tenant_mapping SET tenant = NULL",
    ] {
        let error = file.execute_batch(wrong).unwrap_err();
        let code = error.sqlite_error_code();
        assert_eq!(code, Some(rusqlite::ErrorCode::ConstraintViolation), "{wrong}");
    }
}

/// Every kind of change, by a statement of somebody else's.
#[tokio::test]
async fn a_change_with_sql_is_noticed_within_a_second() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    let mapping = SqliteFile::open(&path).unwrap().mapping();
    for (statement, rows) in [
        ("INSERT INTO group_tenant_mapping (group_name, tenant) VALUES ('a', 't'), ('b', 't')", 2),
        ("UPDATE group_tenant_mapping SET tenant = 'u' WHERE group_name = 'a'", 2),
        (
            "INSERT OR REPLACE INTO group_tenant_mapping (id, group_name, tenant) VALUES (1, 'c', 't')",
            2,
        ),
        ("DELETE FROM group_tenant_mapping WHERE group_name = 'b'", 1),
        ("DELETE FROM group_tenant_mapping", 0),
    ] {
        mapping.load().await.unwrap();
        let file = sql(&path);
        let started = Instant::now();
        file.execute_batch(statement).unwrap();
        mapping.changed().await.unwrap();
        let took = started.elapsed();
        assert!(took < Duration::from_secs(1), "{statement}: {took:?}");
        assert_eq!(mapping.load().await.unwrap().len(), rows, "{statement}");
    }
}

#[tokio::test]
async fn other_changes_to_the_file_are_no_news() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    let mapping = SqliteFile::open(&path).unwrap().mapping();
    mapping.load().await.unwrap();
    let writing = async {
        loop {
            let insert = "INSERT INTO audit (at, issuer, subject, tenant, outcome, rules)
                          VALUES ('now', 'i', 's', 't', 'allowed', '[]')";
            sql(&path).execute_batch(insert).unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        _ = mapping.changed() => panic!("the policy did not change"),
        () = writing => {}
        () = tokio::time::sleep(Duration::from_secs(1)) => {}
    }
}

/// What only somebody can write who goes around the table's checks.
#[tokio::test]
async fn a_row_that_cannot_be_read_leaves_the_old_policy_and_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    let mapping = Arc::new(SqliteFile::open(&path).unwrap().mapping());
    mapping.add(vec![Mapping::allow("g", "t")]).await.unwrap();
    let reloader = Reloader::start(Policy::builder(), vec![mapping.clone()]).await.unwrap();
    let file = sql(&path);
    file.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
    for (column, value, said) in [
        ("effect", "'forbid'", "column `effect`: an effect is `allow` or `deny`"),
        ("note", "CAST(x'ff' AS TEXT)", "column `note`: this is no text in UTF-8"),
        ("tenant", "'T'", "column `tenant`: a tenant id has only lower-case letters"),
        ("group_name", "''", "column `group_name`: `group` is empty"),
    ] {
        let spoil = format!("UPDATE group_tenant_mapping SET {column} = {value} WHERE id = 1");
        file.execute_batch(&spoil).unwrap();
        assert!(!reloader.reload().await);
        let problem = reloader.handle().status().problem.unwrap();
        let expected = format!("`group_tenant_mapping`, row 1, {said}");
        assert!(problem.contains(&expected), "{problem}");
        assert_eq!(reloader.handle().current().rule_count(), 1);
        // Nothing new until somebody repairs it.
        let waited = tokio::time::timeout(Duration::from_millis(300), mapping.changed()).await;
        assert!(waited.is_err());
        let repair = "UPDATE group_tenant_mapping SET group_name = 'g', tenant = 't',
                      effect = 'allow', note = NULL";
        file.execute_batch(repair).unwrap();
        mapping.changed().await.unwrap();
        assert!(reloader.reload().await);
    }
}

#[tokio::test]
async fn a_table_that_is_gone_is_an_error_and_no_empty_policy() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    let mapping = SqliteFile::open(&path).unwrap().mapping();
    sql(&path).execute_batch("DROP TABLE group_tenant_mapping").unwrap();
    assert!(matches!(mapping.load().await, Err(StoreError::Backend { .. })));
    assert!(matches!(mapping.rows().await, Err(StoreError::Backend { .. })));
}

#[tokio::test]
async fn a_hundred_thousand_rows_are_read_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    let mapping = SqliteFile::open(&path).unwrap().mapping();
    let rows = (0..100_000).map(|number| Mapping::allow(format!("g{number}"), "t"));
    assert_eq!(mapping.replace(rows.collect()).await.unwrap().added, 100_000);
    let started = Instant::now();
    let rules = mapping.load().await.unwrap();
    let read = started.elapsed();
    let policy = Policy::builder().with_rules(rules).build().unwrap();
    println!("read in {read:?}, read and built in {:?}", started.elapsed());
    assert_eq!(policy.rule_count(), 100_000);
}
