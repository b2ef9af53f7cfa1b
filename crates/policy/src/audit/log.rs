//! Events in the program's own log.

use super::{AuditError, AuditEvent, AuditSink};

/// Writes events to `tracing`, with target `bonafide::audit` and level `INFO`.
///
/// # Security
///
/// It is the one place where this crate puts users into a log: issuer, subject and user name.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct LogSink;

impl LogSink {
    /// The sink.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl AuditSink for LogSink {
    fn write(&mut self, events: &[std::sync::Arc<AuditEvent>]) -> Result<(), AuditError> {
        for event in events {
            let [issuer, directory, subject] = event.user().parts();
            let owner = event.owner().map(|owner| owner.subject().as_str());
            tracing::info!(
                target: "bonafide::audit",
                issuer,
                directory,
                // Quoted and escaped: what an issuer lets people be called must not break a line.
                subject = ?subject,
                username = ?event.username(),
                action = event.action().as_str(),
                tenant = event.tenant().map(|tenant| tenant.as_str()),
                tool = ?event.tool(),
                variable = ?event.variable(),
                owner = ?owner,
                outcome = event.outcome().as_str(),
                reason = event.outcome().reason(),
                rules = ?event.rules(),
                request_id = ?event.request_id(),
                "event"
            );
        }
        Ok(())
    }
}
