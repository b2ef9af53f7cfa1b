//! The tables, and how an older file becomes a newer one.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::open::OpenError;

/// Stands in the header of the file and says whose it is: `bona`.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"bona");

/// Each entry brings a file from the version of its index to the next one. Entries are never changed, only
/// added.
const MIGRATIONS: &[&str] = &[
    // A row is found by its whole key, and all rows of an owner lie side by side.
    "CREATE TABLE secrets (
        issuer       TEXT NOT NULL,
        directory    TEXT NOT NULL,
        subject      TEXT NOT NULL,
        tenant       TEXT NOT NULL,
        name         TEXT NOT NULL,
        envelope     BLOB NOT NULL,
        unix_seconds INTEGER NOT NULL,
        PRIMARY KEY (issuer, directory, subject, tenant, name)
    ) STRICT, WITHOUT ROWID;",
    // From when on a secret is not to be used, and when a backend refused it.
    "ALTER TABLE secrets ADD COLUMN expires_unix_seconds INTEGER;
     ALTER TABLE secrets ADD COLUMN refused_unix_seconds INTEGER;",
    // Numbers are given once: an audit trail names rows by them. The triggers count changes, whoever makes them.
    "CREATE TABLE group_tenant_mapping (
        id         INTEGER PRIMARY KEY AUTOINCREMENT,
        issuer     TEXT CHECK (issuer <> ''),
        group_name TEXT NOT NULL CHECK (group_name <> ''),
        tenant     TEXT NOT NULL CHECK (tenant GLOB '[a-z0-9]*' AND tenant NOT GLOB '*[^a-z0-9_-]*' AND length(tenant) <= 64),
        tools      TEXT NOT NULL DEFAULT '*' CHECK (tools <> ''),
        effect     TEXT NOT NULL DEFAULT 'allow' CHECK (effect IN ('allow', 'deny')),
        subtree    INTEGER NOT NULL DEFAULT FALSE CHECK (subtree IN (FALSE, TRUE)),
        note       TEXT
    ) STRICT;
    CREATE UNIQUE INDEX group_tenant_mapping_once
        ON group_tenant_mapping (group_name, tenant, coalesce(issuer, ''), tools, effect, subtree);
    CREATE TABLE group_tenant_mapping_version (version INTEGER NOT NULL) STRICT;
    INSERT INTO group_tenant_mapping_version VALUES (1);
    CREATE TRIGGER group_tenant_mapping_inserted AFTER INSERT ON group_tenant_mapping
        BEGIN UPDATE group_tenant_mapping_version SET version = version + 1; END;
    CREATE TRIGGER group_tenant_mapping_updated AFTER UPDATE ON group_tenant_mapping
        BEGIN UPDATE group_tenant_mapping_version SET version = version + 1; END;
    CREATE TRIGGER group_tenant_mapping_deleted AFTER DELETE ON group_tenant_mapping
        BEGIN UPDATE group_tenant_mapping_version SET version = version + 1; END;",
    "CREATE TABLE audit (
        id         INTEGER PRIMARY KEY,
        at         TEXT NOT NULL,
        issuer     TEXT NOT NULL,
        directory  TEXT,
        subject    TEXT NOT NULL,
        username   TEXT,
        tenant     TEXT NOT NULL,
        tool       TEXT,
        outcome    TEXT NOT NULL,
        reason     TEXT,
        rules      TEXT NOT NULL,
        request_id TEXT
    ) STRICT;
    CREATE INDEX audit_at ON audit (at);",
    // What users do besides calling: what they enter and remove, and what administrators do to them. `tenant` stays
    // as it is, which costs no copy of the table: empty where there is none.
    "ALTER TABLE audit ADD COLUMN action TEXT NOT NULL DEFAULT 'use';
     ALTER TABLE audit ADD COLUMN variable TEXT;
     ALTER TABLE audit ADD COLUMN owner_issuer TEXT;
     ALTER TABLE audit ADD COLUMN owner_directory TEXT;
     ALTER TABLE audit ADD COLUMN owner_subject TEXT;",
];

/// Refuses a file that belongs to something else, before anything in it is changed.
pub(crate) fn check_application(connection: &mut Connection) -> Result<(), OpenError> {
    // One snapshot: another process may be making the tables right now.
    let snapshot = connection.transaction()?;
    let id: i32 = snapshot.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let table = snapshot.query_row("SELECT 1 FROM sqlite_schema", [], |_| Ok(())).optional()?;
    match (id, table) {
        (APPLICATION_ID, _) | (0, None) => Ok(()),
        _ => Err(OpenError::Foreign),
    }
}

/// Checks that the file is whole, and brings it up to date.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    check_integrity(connection)?;
    // Immediate: of several processes that start at once, one migrates and the others find it done.
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = change.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = MIGRATIONS.len();
    let Some(missing) = usize::try_from(version).ok().and_then(|at| MIGRATIONS.get(at..)) else {
        return Err(OpenError::Newer { version, known });
    };
    if missing.is_empty() {
        return Ok(());
    }
    for migration in missing {
        change.execute_batch(migration)?;
    }
    change.pragma_update(None, "application_id", APPLICATION_ID)?;
    change.pragma_update(None, "user_version", i64::try_from(known).unwrap_or(i64::MAX))?;
    Ok(change.commit()?)
}

fn check_integrity(connection: &Connection) -> Result<(), OpenError> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(OpenError::Damaged) }
}
