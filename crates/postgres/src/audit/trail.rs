//! Reading the audit.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bonafide_policy::{
    AUDIT_REACH, AuditEntry, AuditPage, AuditQuery, AuditTrail, TrailError, rfc3339,
};
use tokio_postgres::Row;

use crate::error::OpenError;
use crate::pool::Postgres;

/// The time stands by itself as well, so that the index on it is used. Rows of one moment are told apart by their key.
const RECENT: &str = "WITH newest AS (
         SELECT * FROM bonafide.audit
         WHERE at <= $1::timestamptz AND (at, writer, number) < ($1::timestamptz, $2::text::uuid, $3)
         ORDER BY at DESC, writer DESC, number DESC LIMIT $4
     )
     SELECT at, writer::text, number, issuer, directory, subject, username, action, tenant, tool, variable,
            owner_issuer, owner_directory, owner_subject, outcome, reason,
            ARRAY(SELECT jsonb_array_elements_text(rules)), request_id
     FROM newest
     WHERE ($5::text IS NULL OR subject = $5 OR owner_subject = $5) AND ($6::text IS NULL OR tenant = $6)
     ORDER BY at DESC, writer DESC, number DESC LIMIT $7";

/// The last row within reach, if there may be others behind it.
const REACHED: &str = "SELECT at, writer::text, number FROM bonafide.audit
     WHERE at <= $1::timestamptz AND (at, writer, number) < ($1::timestamptz, $2::text::uuid, $3)
     ORDER BY at DESC, writer DESC, number DESC LIMIT 1 OFFSET $4";

/// Behind every row: the end of the year 9999, in microseconds.
const END: u64 = 253_402_300_799_000_000;

/// Reads what [`PostgresAudit`](crate::PostgresAudit) wrote, at whichever gateway.
///
/// Reads from the newest row on, at most [`AUDIT_REACH`] rows for a page.
///
/// # Security
///
/// Needs `SELECT` on `bonafide.audit`. A role that has not got it is told that the audit cannot be read.
#[derive(Debug, Clone)]
pub struct PostgresTrail {
    postgres: Postgres,
}

/// A row, by its key and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    at: SystemTime,
    writer: String,
    number: i64,
}

impl PostgresTrail {
    pub(crate) fn new(postgres: Postgres) -> Self {
        Self { postgres }
    }

    async fn page(&self, from: &Place, query: &AuditQuery) -> Result<AuditPage, OpenError> {
        let reach = i64::try_from(AUDIT_REACH).unwrap_or(i64::MAX);
        // One more than asked for shows whether there are older ones.
        let limit = i64::try_from(query.limit).unwrap_or(i64::MAX).saturating_add(1);
        let Place { at, writer, number } = from;
        let rows = self
            .postgres
            .read(RECENT, &[at, writer, number, &reach, &query.subject, &query.tenant, &limit])
            .await?;
        let shown = rows.get(..query.limit.min(rows.len())).unwrap_or_default();
        let entries = shown.iter().map(entry).collect::<Result<_, _>>()?;
        let older = if rows.len() > query.limit {
            shown.last().map(Place::of).transpose()?
        } else {
            let last = reach - 1;
            let rows = self.postgres.read(REACHED, &[at, writer, number, &last]).await?;
            rows.first().map(Place::of).transpose()?
        };
        Ok(AuditPage { entries, older: older.map(|place| place.to_text()) })
    }
}

#[async_trait]
impl AuditTrail for PostgresTrail {
    async fn recent(&self, query: &AuditQuery) -> Result<AuditPage, TrailError> {
        let from = match &query.before {
            None => Place::newest(),
            Some(text) => Place::from_text(text).ok_or(TrailError::Place)?,
        };
        self.page(&from, query).await.map_err(|error| TrailError::Store(Box::new(error)))
    }
}

impl Place {
    fn newest() -> Self {
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(END);
        Self { at, writer: "f".repeat(32), number: i64::MAX }
    }

    fn of(row: &Row) -> Result<Self, OpenError> {
        let writer: String = row.try_get(1)?;
        Ok(Self { at: row.try_get(0)?, writer: writer.replace('-', ""), number: row.try_get(2)? })
    }

    fn to_text(&self) -> String {
        let since = self.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        format!("{}.{}.{}", since.as_micros(), self.writer, self.number)
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let micros: u64 = parts.next()?.parse().ok().filter(|micros| *micros <= END)?;
        let is_hex = |writer: &&str| {
            writer.len() == 32 && writer.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let writer = parts.next().filter(is_hex)?.to_owned();
        let number = parts.next()?.parse().ok()?;
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(micros);
        parts.next().is_none().then_some(Self { at, writer, number })
    }
}

fn entry(row: &Row) -> Result<AuditEntry, OpenError> {
    let mut entry = AuditEntry::default();
    entry.at = rfc3339(row.try_get(0)?);
    entry.issuer = row.try_get(3)?;
    entry.directory = row.try_get(4)?;
    entry.subject = row.try_get(5)?;
    entry.username = row.try_get(6)?;
    entry.action = row.try_get(7)?;
    entry.tenant = row.try_get(8)?;
    entry.tool = row.try_get(9)?;
    entry.variable = row.try_get(10)?;
    entry.owner_issuer = row.try_get(11)?;
    entry.owner_directory = row.try_get(12)?;
    entry.owner_subject = row.try_get(13)?;
    entry.outcome = row.try_get(14)?;
    entry.reason = row.try_get(15)?;
    entry.rules = row.try_get(16)?;
    entry.request_id = row.try_get(17)?;
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written_and_nothing_else_is_one() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_305_601_042_007);
        let place = Place { at, writer: "0f".repeat(16), number: 17 };
        let text = place.to_text();
        assert_eq!(text, format!("1795305601042007.{}.17", "0f".repeat(16)));
        assert_eq!(Place::from_text(&text), Some(place));
        let newest = Place::newest();
        assert_eq!(Place::from_text(&newest.to_text()), Some(newest));
        let writer = "0f".repeat(16);
        for wrong in [
            String::new(),
            "1".to_owned(),
            format!("1.{writer}"),
            format!("1.{writer}.2.3"),
            format!("-1.{writer}.2"),
            format!("{}.{writer}.2", u64::MAX),
            format!("1.{}.2", "g".repeat(32)),
            format!("1.{writer}0.2"),
            format!("1.{writer}.9223372036854775808"),
        ] {
            assert_eq!(Place::from_text(&wrong), None, "{wrong}");
        }
    }
}
