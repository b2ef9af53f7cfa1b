//! What is decided and done, written down where the configuration says.

use std::sync::Arc;
use std::time::Duration;

use bonafide_policy::{Audit, AuditTrail, JsonLines, LogSink};
use metrics::{Counter, counter, describe_counter};
use tokio::time::sleep;

use crate::config::{AuditConfig, AuditSinkConfig};
use crate::proxy::StartError;
use crate::stores::Stores;

/// How often lost events are counted.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long the end of the program waits for events to be written down.
const FLUSH: Duration = Duration::from_secs(5);

/// Where it is written, and where it can be read again: in a database.
pub(crate) fn start(
    config: &AuditConfig,
    stores: &mut Stores,
) -> Result<(Audit, Option<Arc<dyn AuditTrail>>), StartError> {
    let builder = Audit::builder().with_queue(config.queue);
    let (builder, trail): (_, Option<Arc<dyn AuditTrail>>) = match &config.sink {
        AuditSinkConfig::Off => (builder, None),
        AuditSinkConfig::Log => (builder.with_sink(LogSink::new()), None),
        AuditSinkConfig::File(path) => {
            (builder.with_sink(JsonLines::open(path).map_err(StartError::Audit)?), None)
        }
        AuditSinkConfig::Postgres(address) => {
            let database = stores.postgres(address.clone()).map_err(StartError::Postgres)?;
            let sink = database.audit().map_err(StartError::Postgres)?;
            let sink = match config.keep {
                Some(keep) => sink.with_keep(keep),
                None => sink,
            };
            (builder.with_sink(sink), Some(Arc::new(database.trail())))
        }
        AuditSinkConfig::Sqlite(path) => {
            let file = stores.sqlite(path).map_err(StartError::AuditStore)?;
            let sink = match config.keep {
                Some(keep) => file.audit().with_keep(keep),
                None => file.audit(),
            };
            (builder.with_sink(sink), Some(Arc::new(file.trail())))
        }
    };
    Ok((builder.start().map_err(StartError::Audit)?, trail))
}

/// The counter of lost events, and what it says already.
pub(crate) struct Lost {
    audit: Audit,
    counter: Counter,
    counted: u64,
}

impl Lost {
    pub(crate) fn new(audit: Audit) -> Self {
        describe_counter!("bonafide_audit_lost_total", "Events that were not written down");
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
            let events = lost - self.counted;
            tracing::error!(events, "events were not written down");
            self.counted = lost;
        }
        self.counter.absolute(lost);
    }
}

/// Waits until what was decided and done is written down, but not for long.
pub(crate) async fn flush(audit: Audit) {
    let flushed = tokio::task::spawn_blocking(move || audit.flush(FLUSH)).await;
    if !flushed.is_ok_and(|flushed| flushed) {
        tracing::error!("the last events were not written down");
    }
}
