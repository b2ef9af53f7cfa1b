//! `[audit]`

use std::path::{Path, PathBuf};
use std::time::Duration;

use bonafide_postgres::Address;

use super::postgres;
use super::problem::Problems;
use super::secret::Environment;
use super::section::{Located, Section};
use super::values::{self, beside};

/// How many events may wait to be written down, unless the file says otherwise.
const QUEUE: usize = 8192;

/// Where decisions, and what users and administrators change, are written down.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditConfig {
    /// The place.
    pub sink: AuditSinkConfig,
    /// How many events may wait for it. What does not fit is lost, and counted.
    pub queue: usize,
    /// How long events are kept in a database. `None`: for ever.
    pub keep: Option<Duration>,
}

/// A place for events.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditSinkConfig {
    /// Nowhere.
    Off,
    /// The program's own log, target `bonafide::audit`.
    Log,
    /// A file, one JSON object a line.
    File(PathBuf),
    /// The table `audit` of an SQLite file.
    Sqlite(PathBuf),
    /// The table `bonafide.audit` of a PostgreSQL database.
    Postgres(Address),
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { sink: AuditSinkConfig::Off, queue: QUEUE, keep: None }
    }
}

impl AuditSinkConfig {
    fn is_database(&self) -> bool {
        matches!(self, Self::Sqlite(_) | Self::Postgres(_))
    }
}

pub(super) fn read(
    root: &mut Section<'_, '_>,
    file: &Path,
    environment: &Environment<'_>,
    problems: &mut Problems<'_>,
) -> Option<AuditConfig> {
    let Some(mut section) = root.table(problems, "audit") else {
        return (!root.has("audit")).then(AuditConfig::default);
    };
    let sink = section.required(problems, "sink", "\"log\"");
    let sink = sink.and_then(|found| self::sink(&found, file, environment, problems));
    let queue = section.count(problems, "queue").map(|found| found.value);
    if queue == Some(0) {
        section.problem(problems, "`queue` is at least 1");
    }
    let keep = section.string(problems, "keep");
    if let (Some(keep), Some(sink)) = (&keep, &sink)
        && !sink.is_database()
    {
        let message = "only what is in a database is removed after some time: leave this out";
        keep.problem(problems, message);
    }
    let keep = keep.and_then(|found| {
        let keep = values::duration_in_days(found.value);
        if keep.is_none() {
            found.problem(problems, "this is a number of days: write `\"90d\"`");
        }
        keep
    });
    section.finish(problems);
    Some(AuditConfig { sink: sink?, queue: queue.unwrap_or(QUEUE), keep })
}

fn sink(
    found: &Located<&str>,
    file: &Path,
    environment: &Environment<'_>,
    problems: &mut Problems<'_>,
) -> Option<AuditSinkConfig> {
    match found.value.split_once(':') {
        None if found.value == "off" => return Some(AuditSinkConfig::Off),
        None if found.value == "log" => return Some(AuditSinkConfig::Log),
        Some(("file", path)) if !path.is_empty() => {
            return Some(AuditSinkConfig::File(beside(file, path)));
        }
        Some(("sqlite", path)) if !path.is_empty() => {
            return Some(AuditSinkConfig::Sqlite(beside(file, path)));
        }
        _ if postgres::is_named(found.value) => {
            let address = postgres::address(found, file, environment, problems);
            return address.map(AuditSinkConfig::Postgres);
        }
        _ => {
            let message = "not a place for decisions: write `\"off\"`, `\"log\"`, `\"file:PATH\"`, `\"sqlite:PATH\"` or \
                           `\"postgres://USER@HOST/DATABASE\"`";
            found.problem(problems, message);
        }
    }
    None
}

/// The database that decisions are written to.
pub(super) fn address(sink: &AuditSinkConfig) -> Option<&Address> {
    match sink {
        AuditSinkConfig::Postgres(address) => Some(address),
        _ => None,
    }
}
