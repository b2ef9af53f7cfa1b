//! The audit in the database.

mod cleaning;
mod sink;
mod trail;

pub use sink::PostgresAudit;
pub use trail::PostgresTrail;
