//! The audit in the file.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bonafide_policy::{AuditError, AuditSink, Decision, RuleId};
use rusqlite::{Connection, params};

use crate::error::RowError;
use crate::handle::SqliteFile;

/// How often old decisions are looked for.
const CLEANING: Duration = Duration::from_secs(60);

/// How many old decisions are removed at once at most, so that other changes need not wait for long.
const REMOVED: u32 = 10_000;

/// Writes decisions to the table `audit` of an SQLite file.
///
/// | column | what |
/// |---|---|
/// | `id` | a number that grows |
/// | `at` | when: RFC 3339, UTC, with milliseconds |
/// | `issuer`, `directory`, `subject` | who |
/// | `username` | what the user was called at the time |
/// | `tenant`, `tool` | where; no tool if it was about the tenant |
/// | `outcome`, `reason` | `allowed`, or `denied` and why |
/// | `rules` | the rules that decided, a JSON array of texts |
/// | `request_id` | for which request |
///
/// Decisions that come together are written in one transaction.
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

impl SqliteAudit {
    pub(crate) fn new(file: SqliteFile) -> Self {
        Self { file, keep: None, cleaned: None }
    }

    /// Removes decisions that are older than `keep`. By default, all are kept.
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
    fn write(&mut self, decisions: &[Arc<Decision>]) -> Result<(), AuditError> {
        let before = self.clean_before();
        let decisions = decisions.to_vec();
        let write = move |file: &Connection| -> Result<(), RowError> {
            decisions.iter().try_for_each(|decision| insert(file, decision))?;
            before.map_or(Ok(()), |before| remove(file, before))
        };
        let written = self.file.opened().writer.write_and_wait(write);
        written.map_err(|error| AuditError::Sink(bonafide_vault::StoreError::from(error).into()))
    }
}

fn insert(file: &Connection, decision: &Decision) -> Result<(), RowError> {
    let mut statement = file.prepare_cached(
        "INSERT INTO audit (at, issuer, directory, subject, username, tenant, tool, outcome, reason, rules, request_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    let [issuer, directory, subject] = decision.user().parts();
    statement.execute(params![
        bonafide_policy::rfc3339(decision.at()),
        issuer,
        Some(directory).filter(|directory| !directory.is_empty()),
        subject,
        decision.username(),
        decision.tenant().as_str(),
        decision.tool(),
        decision.outcome().as_str(),
        decision.outcome().reason(),
        json(decision.rules()),
        decision.request_id(),
    ])?;
    Ok(())
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
