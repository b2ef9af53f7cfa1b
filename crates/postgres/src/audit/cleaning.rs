//! Removing what is too old.

use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::error::OpenError;
use crate::pool::Postgres;

/// How often old events are looked for.
const INTERVAL: Duration = Duration::from_secs(60);

/// How long to wait between two removals when there is more to remove, so that others get their turn.
const PAUSE: Duration = Duration::from_millis(200);

/// How many events one statement removes at most.
const REMOVED: i64 = 5_000;

/// Held by whoever removes, until the end of the statement. In the same database as others may use: a number that
/// nobody else picks.
const LOCK: i64 = i64::from_be_bytes(*b"bfaudit0");

/// The condition on the lock stands alone and so is asked once, before any row is looked at: a gateway that does not get
/// it does nothing.
const REMOVE: &str = "WITH old AS (
         SELECT writer, number FROM bonafide.audit
         WHERE at < $1 AND (SELECT pg_try_advisory_xact_lock($2)) ORDER BY at LIMIT $3
     ), removed AS (
         DELETE FROM bonafide.audit USING old
         WHERE audit.writer = old.writer AND audit.number = old.number RETURNING 1
     )
     SELECT count(*) FROM removed";

/// A task that removes old events until it is dropped.
#[derive(Debug)]
pub(super) struct Cleaning(JoinHandle<()>);

impl Cleaning {
    pub(super) fn start(runtime: &Handle, postgres: Postgres, keep: Duration) -> Self {
        Self(runtime.spawn(async move { clean(&postgres, keep).await }))
    }
}

impl Drop for Cleaning {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn clean(postgres: &Postgres, keep: Duration) {
    let mut failed = false;
    loop {
        let removed = match SystemTime::now().checked_sub(keep) {
            Some(before) => remove(postgres, before).await,
            None => Ok(0),
        };
        match &removed {
            Ok(_) => failed = false,
            // Said once: nothing is lost by it but room.
            Err(error) if !failed => {
                failed = true;
                tracing::warn!(%error, "old events stay in the audit");
            }
            Err(_) => {}
        }
        sleep(if removed.is_ok_and(|removed| removed >= REMOVED) { PAUSE } else { INTERVAL }).await;
    }
}

/// How many were removed: none if another gateway is at it.
async fn remove(postgres: &Postgres, before: SystemTime) -> Result<i64, OpenError> {
    let rows = postgres.query(REMOVE, &[&before, &LOCK, &REMOVED]).await?;
    rows.first().map_or(Ok(0), |row| Ok(row.try_get(0)?))
}
