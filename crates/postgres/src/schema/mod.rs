//! The tables, and how older ones become newer ones.

use std::time::Duration;

use deadpool_postgres::{Client, GenericClient};
use tokio::time::timeout;

use crate::error::OpenError;

/// Held while tables are changed. In the same database as others may use: a number that nobody else picks.
const LOCK: i64 = i64::from_be_bytes(*b"bonafide");

/// How long a change of the tables may take, waiting for other gateways that start included.
const LIMIT: Duration = Duration::from_secs(60);

/// Each entry brings the tables from the version of its index to the next one. Entries are never changed, only
/// added, and an older program goes on working with newer tables until it is started again.
const MIGRATIONS: &[&str] = &[include_str!("1.sql"), include_str!("2.sql"), include_str!("3.sql")];

const VERSION: &str = "SELECT version FROM bonafide.schema_version";

/// Makes the tables, or brings them up to date.
pub(crate) async fn prepare(client: &mut Client) -> Result<(), OpenError> {
    match timeout(LIMIT, brought_up_to_date(client)).await {
        Ok(result) => result,
        Err(_) => Err(OpenError::Slow { limit: LIMIT }),
    }
}

async fn brought_up_to_date(client: &mut Client) -> Result<(), OpenError> {
    let encoding: String = client.query_one("SHOW server_encoding", &[]).await?.try_get(0)?;
    if encoding != "UTF8" {
        return Err(OpenError::Encoding { encoding });
    }
    // Without the lock, and so without a right to change anything: the usual case.
    if missing(version(client).await?)?.is_empty() {
        return Ok(());
    }
    let change = client.transaction().await?;
    change.batch_execute("SET LOCAL statement_timeout = '60s'").await?;
    change.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    // Of several gateways that start at once, one makes the tables and the others find them.
    let version = version(&change).await?;
    let missing = missing(version)?;
    if version == 0 && !missing.is_empty() {
        begin(&change).await?;
    }
    for migration in missing {
        change.batch_execute(migration).await?;
    }
    let known = i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX);
    change.execute("UPDATE bonafide.schema_version SET version = $1", &[&known]).await?;
    Ok(change.commit().await?)
}

/// What brings tables of `version` up to date.
fn missing(version: i32) -> Result<&'static [&'static str], OpenError> {
    let missing = usize::try_from(version).ok().and_then(|at| MIGRATIONS.get(at..));
    missing.ok_or(OpenError::Newer { version, known: MIGRATIONS.len() })
}

/// The version of the tables; 0 if there are none.
async fn version(client: &impl GenericClient) -> Result<i32, OpenError> {
    // Not `to_regclass`: inside a transaction it may answer from before the tables were made.
    let made =
        "SELECT EXISTS (SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
                               WHERE nspname = 'bonafide' AND relname = 'schema_version')";
    let made: bool = client.query_one(made, &[]).await?.try_get(0)?;
    if made { Ok(client.query_one(VERSION, &[]).await?.try_get(0)?) } else { Ok(0) }
}

/// Makes the schema, unless an administrator has, and notes that it is ours.
async fn begin(change: &impl GenericClient) -> Result<(), OpenError> {
    let exists = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'bonafide')";
    let exists: bool = change.query_one(exists, &[]).await?.try_get(0)?;
    if !exists {
        change.batch_execute("CREATE SCHEMA bonafide").await?;
    }
    let foreign =
        "SELECT EXISTS (SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
                                  WHERE nspname = 'bonafide')";
    if change.query_one(foreign, &[]).await?.try_get(0)? {
        return Err(OpenError::Foreign);
    }
    let note = "CREATE TABLE bonafide.schema_version (
                    version integer NOT NULL,
                    one boolean PRIMARY KEY DEFAULT true CHECK (one)
                );
                INSERT INTO bonafide.schema_version (version) VALUES (0)";
    Ok(change.batch_execute(note).await?)
}
