//! Decisions in the program's own log.

use super::{AuditError, AuditSink, Decision};

/// Writes decisions to `tracing`, with target `bonafide::audit` and level `INFO`.
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
    fn write(&mut self, decisions: &[std::sync::Arc<Decision>]) -> Result<(), AuditError> {
        for decision in decisions {
            let [issuer, directory, subject] = decision.user.parts();
            tracing::info!(
                target: "bonafide::audit",
                issuer,
                directory,
                // Quoted and escaped: what an issuer lets people be called must not break a line.
                subject = ?subject,
                username = ?decision.username(),
                tenant = %decision.tenant,
                tool = ?decision.tool(),
                outcome = decision.outcome.as_str(),
                reason = decision.outcome.reason(),
                rules = ?decision.rules,
                request_id = ?decision.request_id(),
                "decision"
            );
        }
        Ok(())
    }
}
