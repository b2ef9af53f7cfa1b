//! Decisions, written down where the configuration says.

use std::time::Duration;

use bonafide_policy::{Audit, JsonLines, LogSink};
use metrics::{Counter, counter, describe_counter};
use tokio::time::sleep;

use crate::config::{AuditConfig, AuditSinkConfig};
use crate::proxy::StartError;
use crate::stores::Stores;

/// How often lost decisions are counted.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long the end of the program waits for decisions to be written down.
const FLUSH: Duration = Duration::from_secs(5);

pub(crate) fn start(config: &AuditConfig, stores: &mut Stores) -> Result<Audit, StartError> {
    let builder = Audit::builder().with_queue(config.queue);
    let builder = match &config.sink {
        AuditSinkConfig::Off => builder,
        AuditSinkConfig::Log => builder.with_sink(LogSink::new()),
        AuditSinkConfig::File(path) => {
            builder.with_sink(JsonLines::open(path).map_err(StartError::Audit)?)
        }
        AuditSinkConfig::Postgres(address) => {
            let database = stores.postgres(address.clone());
            let sink = database.and_then(|database| database.audit());
            builder.with_sink(sink.map_err(StartError::Postgres)?)
        }
        AuditSinkConfig::Sqlite(path) => {
            let file = stores.sqlite(path).map_err(StartError::AuditStore)?;
            builder.with_sink(match config.keep {
                Some(keep) => file.audit().with_keep(keep),
                None => file.audit(),
            })
        }
    };
    builder.start().map_err(StartError::Audit)
}

/// The counter of lost decisions, and what it says already.
pub(crate) struct Lost {
    audit: Audit,
    counter: Counter,
    counted: u64,
}

impl Lost {
    pub(crate) fn new(audit: Audit) -> Self {
        describe_counter!("bonafide_audit_lost_total", "Decisions that were not written down");
        Self { audit, counter: counter!("bonafide_audit_lost_total"), counted: 0 }
    }

    /// Counts, for ever.
    pub(crate) async fn run(mut self) {
        loop {
            self.count();
            sleep(INTERVAL).await;
        }
    }

    fn count(&mut self) {
        let lost = self.audit.lost();
        if lost > self.counted {
            let decisions = lost - self.counted;
            tracing::error!(decisions, "decisions were not written down");
            self.counted = lost;
        }
        self.counter.absolute(lost);
    }
}

/// Waits until what was decided is written down, but not for long.
pub(crate) async fn flush(audit: Audit) {
    let flushed = tokio::task::spawn_blocking(move || audit.flush(FLUSH)).await;
    if !flushed.is_ok_and(|flushed| flushed) {
        tracing::error!("the last decisions were not written down");
    }
}
