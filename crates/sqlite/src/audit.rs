//! The audit in the file.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use bonafide_claims::UserId;
use bonafide_policy::{
    AUDIT_REACH, AuditEntry, AuditError, AuditEvent, AuditPage, AuditQuery, AuditSink, AuditTrail,
    RuleId, TrailError,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::RowError;
use crate::handle::SqliteFile;

/// How often old events are looked for.
const CLEANING: Duration = Duration::from_secs(60);

/// How many old events are removed at once at most, so that other changes need not wait for long.
const REMOVED: u32 = 10_000;

/// Writes events to the table `audit` of an SQLite file.
///
/// | column | what |
/// |---|---|
/// | `id` | a number that grows |
/// | `at` | when: RFC 3339, UTC, with milliseconds |
/// | `issuer`, `directory`, `subject` | who |
/// | `username` | what the user was called at the time |
/// | `action` | what: [`Action`](bonafide_policy::Action), such as `use` |
/// | `tenant`, `tool` | where; no tool if it was about the tenant, and an empty tenant if about none |
/// | `variable` | which variable was entered or removed |
/// | `owner_issuer`, `owner_directory`, `owner_subject` | to whom it was done, if that is somebody else |
/// | `outcome`, `reason` | `allowed`, `failed`, or `denied` and why |
/// | `rules` | the rules that decided, a JSON array of texts |
/// | `request_id` | for which request |
///
/// Events that come together are written in one transaction. [`SqliteTrail`] reads them.
///
/// # Security
///
/// It names users, in the file of their secrets: readable by the owner of the file alone. Nobody is kept from
/// changing it who may write to the file; where that matters, use a sink that its writer cannot change.
#[derive(Debug)]
pub struct SqliteAudit {
    file: SqliteFile,
    keep: Option<Duration>,
    cleaned: Option<Instant>,
}

/// Reads what [`SqliteAudit`] wrote, also through another process.
///
/// Reads from the newest row on, at most [`AUDIT_REACH`] rows for a page.
#[derive(Debug, Clone)]
pub struct SqliteTrail {
    file: SqliteFile,
}

impl SqliteAudit {
    pub(crate) fn new(file: SqliteFile) -> Self {
        Self { file, keep: None, cleaned: None }
    }

    /// Removes events that are older than `keep`. By default, all are kept.
    #[must_use]
    pub fn with_keep(self, keep: Duration) -> Self {
        Self { keep: Some(keep), ..self }
    }

    /// Everything before this moment goes, if it is time to look.
    fn clean_before(&mut self) -> Option<SystemTime> {
        let keep = self.keep?;
        if self.cleaned.is_some_and(|at| at.elapsed() < CLEANING) {
            return None;
        }
        self.cleaned = Some(Instant::now());
        SystemTime::now().checked_sub(keep)
    }
}

impl AuditSink for SqliteAudit {
    fn write(&mut self, events: &[Arc<AuditEvent>]) -> Result<(), AuditError> {
        let before = self.clean_before();
        let events = events.to_vec();
        let write = move |file: &Connection| -> Result<(), RowError> {
            events.iter().try_for_each(|event| insert(file, event))?;
            before.map_or(Ok(()), |before| remove(file, before))
        };
        let written = self.file.opened().writer.write_and_wait(write);
        written.map_err(|error| AuditError::Sink(bonafide_vault::StoreError::from(error).into()))
    }
}

fn insert(file: &Connection, event: &AuditEvent) -> Result<(), RowError> {
    let mut statement = file.prepare_cached(
        "INSERT INTO audit (at, issuer, directory, subject, username, tenant, tool, outcome, reason, rules, request_id,
                            action, variable, owner_issuer, owner_directory, owner_subject)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?;
    let [issuer, directory, subject] = event.user().parts();
    let [owner_issuer, owner_directory, owner_subject] =
        event.owner().map_or([""; 3], UserId::parts);
    statement.execute(params![
        bonafide_policy::rfc3339(event.at()),
        issuer,
        filled(directory),
        subject,
        event.username(),
        // The column may not be without a value, which is what older versions made.
        event.tenant().map_or("", |tenant| tenant.as_str()),
        event.tool(),
        event.outcome().as_str(),
        event.outcome().reason(),
        json(event.rules()),
        event.request_id(),
        event.action().as_str(),
        event.variable(),
        filled(owner_issuer),
        filled(owner_directory),
        filled(owner_subject),
    ])?;
    Ok(())
}

fn filled(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn remove(file: &Connection, before: SystemTime) -> Result<(), RowError> {
    let mut statement = file.prepare_cached(
        "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ?1 ORDER BY at LIMIT ?2)",
    )?;
    statement.execute(params![bonafide_policy::rfc3339(before), REMOVED])?;
    Ok(())
}

/// A rule id has no character that JSON would escape.
fn json(rules: &[RuleId]) -> String {
    let rules: Vec<_> = rules.iter().map(|rule| format!("\"{rule}\"")).collect();
    format!("[{}]", rules.join(","))
}

impl SqliteTrail {
    pub(crate) fn new(file: SqliteFile) -> Self {
        Self { file }
    }
}

#[async_trait]
impl AuditTrail for SqliteTrail {
    async fn recent(&self, query: &AuditQuery) -> Result<AuditPage, TrailError> {
        let before = match &query.before {
            None => i64::MAX,
            Some(place) => place.parse().map_err(|_| TrailError::Place)?,
        };
        let query = query.clone();
        let read = move |file: &Connection| page(file, before, &query);
        let page: Result<_, RowError> = self.file.opened().writer.read(read).await;
        page.map_err(|error| TrailError::Store(bonafide_vault::StoreError::from(error).into()))
    }
}

fn page(file: &Connection, before: i64, query: &AuditQuery) -> Result<AuditPage, RowError> {
    let mut statement = file.prepare_cached(
        "SELECT id, at, issuer, directory, subject, username, action, tenant, tool, variable,
                owner_issuer, owner_directory, owner_subject, outcome, reason, rules, request_id
         FROM (SELECT * FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2)
         WHERE (?3 IS NULL OR subject = ?3 OR owner_subject = ?3) AND (?4 IS NULL OR tenant = ?4)
         ORDER BY id DESC LIMIT ?5",
    )?;
    let reach = i64::try_from(AUDIT_REACH).unwrap_or(i64::MAX);
    // One more than asked for shows whether there are older ones.
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut rows = statement.query(params![before, reach, query.subject, query.tenant, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((row.get::<_, i64>(0)?, entry(row)?));
    }
    let older = if found.len() > query.limit {
        found.truncate(query.limit);
        found.last().map(|(id, _)| *id)
    } else {
        last_in_reach(file, before, reach)?
    };
    Ok(AuditPage {
        entries: found.into_iter().map(|(_, entry)| entry).collect(),
        older: older.map(|id| id.to_string()),
    })
}

/// The last row that was looked at, if there may be others behind it.
fn last_in_reach(file: &Connection, before: i64, reach: i64) -> Result<Option<i64>, RowError> {
    let mut statement = file
        .prepare_cached("SELECT id FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2")?;
    Ok(statement.query_row([before, reach - 1], |row| row.get(0)).optional()?)
}

fn entry(row: &Row<'_>) -> Result<AuditEntry, RowError> {
    let mut entry = AuditEntry::default();
    entry.at = row.get(1)?;
    entry.issuer = row.get(2)?;
    entry.directory = row.get(3)?;
    entry.subject = row.get(4)?;
    entry.username = row.get(5)?;
    entry.action = row.get(6)?;
    entry.tenant = row.get::<_, Option<String>>(7)?.filter(|tenant| !tenant.is_empty());
    entry.tool = row.get(8)?;
    entry.variable = row.get(9)?;
    entry.owner_issuer = row.get(10)?;
    entry.owner_directory = row.get(11)?;
    entry.owner_subject = row.get(12)?;
    entry.outcome = row.get(13)?;
    entry.reason = row.get(14)?;
    entry.rules = rules(&row.get::<_, String>(15)?);
    entry.request_id = row.get(16)?;
    Ok(entry)
}

/// The texts of an array that [`json`] wrote.
fn rules(json: &str) -> Vec<String> {
    let inside = json.trim_start_matches('[').trim_end_matches(']');
    let texts = inside.split(',').map(|rule| rule.trim_matches(['"', ' ']).to_owned());
    texts.filter(|rule| !rule.is_empty()).collect()
}
