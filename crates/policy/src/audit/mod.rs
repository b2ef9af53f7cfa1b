//! What was decided and done, for those who ask later.

mod event;
mod json_lines;
mod log;
mod queue;
mod time;
mod trail;

pub use event::{Action, AuditEvent, Outcome};
pub use json_lines::JsonLines;
pub use log::LogSink;
pub use queue::{Audit, AuditBuilder, AuditError, AuditSink};
pub use time::rfc3339;
pub use trail::{
    AUDIT_REACH, AuditEntry, AuditPage, AuditQuery, AuditTrail, MAX_AUDIT_PAGE, TrailError,
};
