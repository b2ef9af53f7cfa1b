//! Writing the audit.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, SystemTime};

use aws_lc_rs::rand;
use bonafide_policy::{AuditError, AuditEvent, AuditSink, RuleId};
use tokio::runtime::Handle;
use tokio_postgres::types::ToSql;

use super::cleaning::Cleaning;

use crate::error::OpenError;
use crate::pool::{BuildError, Postgres};

/// For how long events are kept for a database that cannot be reached, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long to wait between two attempts.
const RETRY: Duration = Duration::from_millis(500);

const INSERT: &str = "INSERT INTO bonafide.audit (writer, number, at, issuer, directory, subject, username,
         tenant, tool, outcome, reason, rules, request_id, action, variable, owner_issuer, owner_directory,
         owner_subject)
     SELECT $1::text::uuid, new.number, new.at, new.issuer, new.directory, new.subject, new.username,
         new.tenant, new.tool, new.outcome, new.reason, new.rules::jsonb, new.request_id, new.action,
         new.variable, new.owner_issuer, new.owner_directory, new.owner_subject
     FROM unnest($2::bigint[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[],
             $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[],
             $15::text[], $16::text[], $17::text[], $18::text[])
         AS new (number, at, issuer, directory, subject, username, tenant, tool, outcome, reason, rules,
             request_id, action, variable, owner_issuer, owner_directory, owner_subject)
     ON CONFLICT DO NOTHING";

/// Writes events to `bonafide.audit` in PostgreSQL, many in one statement.
///
/// | column | what |
/// |---|---|
/// | `writer`, `number` | which sink wrote it, and how many it had written before |
/// | `at` | when |
/// | `issuer`, `directory`, `subject` | who |
/// | `username` | what the user was called at the time |
/// | `action` | what: [`Action`](bonafide_policy::Action), such as `use` |
/// | `tenant`, `tool` | where, if it was about a tenant; no tool if it was about the tenant itself |
/// | `variable` | which variable was entered or removed |
/// | `owner_issuer`, `owner_directory`, `owner_subject` | to whom it was done, if that is somebody else |
/// | `outcome`, `reason` | `allowed`, `failed`, or `denied` and why |
/// | `rules` | the rules that decided, a JSON array of texts |
/// | `request_id` | for which request |
///
/// While the database cannot be reached, it is tried again for half a minute, and more events wait in the
/// queue of [`Audit`](bonafide_policy::Audit). Each is written once, also when a connection breaks and nobody knows
/// what came through. [`PostgresTrail`](crate::PostgresTrail) reads them.
///
/// # Security
///
/// It names users. A role that only writes needs `INSERT` on the table, and can neither read nor change what it
/// wrote. [`with_keep`](Self::with_keep) needs `SELECT` and `DELETE`.
#[derive(Debug)]
pub struct PostgresAudit {
    postgres: Postgres,
    runtime: Handle,
    /// A random UUID.
    writer: String,
    number: i64,
    patience: Duration,
    /// Removes what is too old, for as long as this writes.
    #[expect(dead_code, reason = "it ends when it is dropped")]
    cleaning: Option<Cleaning>,
}

impl PostgresAudit {
    pub(crate) fn new(postgres: Postgres, runtime: Handle) -> Result<Self, BuildError> {
        let mut bytes = [0; 16];
        rand::fill(&mut bytes).map_err(|_| BuildError::Random)?;
        let writer = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { postgres, runtime, writer, number: 0, patience: PATIENCE, cleaning: None })
    }

    /// Tries for at most `patience` to reach a database that is away. Half a minute by default.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Removes events that are older than `keep`, some thousands at once and in the background. By default, all are
    /// kept.
    ///
    /// Of several gateways, one removes at a time. They should agree on how long: the shortest time counts.
    #[must_use]
    pub fn with_keep(self, keep: Duration) -> Self {
        let cleaning = Cleaning::start(&self.runtime, self.postgres.clone(), keep);
        Self { cleaning: Some(cleaning), ..self }
    }

    /// One attempt, on the runtime. The thread of the sink waits for it: that is what it is for.
    fn insert(&self, batch: &Arc<Batch>) -> Result<(), AuditError> {
        let (postgres, batch) = (self.postgres.clone(), Arc::clone(batch));
        let (reply, done) = mpsc::sync_channel(1);
        self.runtime.spawn(async move {
            let written = postgres.query(INSERT, &batch.parameters()).await;
            // Somebody waits for it, unless the process ends.
            let _ = reply.send(written.map(drop));
        });
        match done.recv() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(AuditError::Sink(Box::new(error))),
            Err(mpsc::RecvError) => Err(AuditError::Sink("the program is shutting down".into())),
        }
    }
}

impl AuditSink for PostgresAudit {
    fn write(&mut self, events: &[Arc<AuditEvent>]) -> Result<(), AuditError> {
        let batch = Arc::new(Batch::new(&self.writer, self.number, events));
        self.number += i64::try_from(events.len()).unwrap_or(i64::MAX);
        let started = Instant::now();
        loop {
            match self.insert(&batch) {
                Err(AuditError::Sink(error))
                    if is_passing(&*error) && started.elapsed() < self.patience =>
                {
                    std::thread::sleep(RETRY);
                }
                written => return written,
            }
        }
    }
}

/// Whether the same may go through later.
fn is_passing(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    let error = error.downcast_ref::<OpenError>();
    matches!(error, Some(OpenError::Connect { .. } | OpenError::Slow { .. }))
}

/// Events as PostgreSQL takes many rows in one statement: an array for each column.
struct Batch {
    writer: String,
    numbers: Vec<i64>,
    at: Vec<SystemTime>,
    issuers: Vec<String>,
    directories: Vec<Option<String>>,
    subjects: Vec<String>,
    usernames: Vec<Option<String>>,
    tenants: Vec<Option<String>>,
    tools: Vec<Option<String>>,
    outcomes: Vec<&'static str>,
    reasons: Vec<Option<&'static str>>,
    rules: Vec<String>,
    requests: Vec<Option<String>>,
    actions: Vec<&'static str>,
    variables: Vec<Option<String>>,
    owners: [Vec<Option<String>>; 3],
}

impl Batch {
    fn new(writer: &str, first: i64, events: &[Arc<AuditEvent>]) -> Self {
        let each = || events.iter();
        let part = |at: usize| {
            move |event: &Arc<AuditEvent>| {
                text(event.user().parts().get(at).copied().unwrap_or_default())
            }
        };
        Self {
            writer: writer.to_owned(),
            numbers: (first..).take(events.len()).collect(),
            at: each().map(|event| event.at()).collect(),
            issuers: each().map(part(0)).collect(),
            directories: each()
                .map(part(1))
                .map(|directory| Some(directory).filter(|text| !text.is_empty()))
                .collect(),
            subjects: each().map(part(2)).collect(),
            usernames: each().map(|event| event.username().map(text)).collect(),
            tenants: each().map(|event| event.tenant().map(|id| text(id.as_str()))).collect(),
            tools: each().map(|event| event.tool().map(text)).collect(),
            outcomes: each().map(|event| event.outcome().as_str()).collect(),
            reasons: each().map(|event| event.outcome().reason()).collect(),
            rules: each().map(|event| rules(event.rules())).collect(),
            requests: each().map(|event| event.request_id().map(text)).collect(),
            actions: each().map(|event| event.action().as_str()).collect(),
            variables: each().map(|event| event.variable().map(text)).collect(),
            owners: [0, 1, 2].map(|part| each().map(|event| owner(event, part)).collect()),
        }
    }

    fn parameters(&self) -> [&(dyn ToSql + Sync); 18] {
        let [issuers, directories, subjects] = &self.owners;
        [
            &self.writer,
            &self.numbers,
            &self.at,
            &self.issuers,
            &self.directories,
            &self.subjects,
            &self.usernames,
            &self.tenants,
            &self.tools,
            &self.outcomes,
            &self.reasons,
            &self.rules,
            &self.requests,
            &self.actions,
            &self.variables,
            issuers,
            directories,
            subjects,
        ]
    }
}

/// A part of the id of whom it was done to.
fn owner(event: &AuditEvent, part: usize) -> Option<String> {
    let text = event.owner()?.parts().get(part).copied().map(text)?;
    Some(text).filter(|text| !text.is_empty())
}

/// PostgreSQL has no NUL in a text. A client can put one into the name of a tool, and must not be able to keep
/// a whole batch out of the audit with it.
fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A JSON array. An id has no character that needs escaping.
fn rules(ids: &[RuleId]) -> String {
    let ids: Vec<_> = ids.iter().map(|id| format!("\"{id}\"")).collect();
    format!("[{}]", ids.join(","))
}
