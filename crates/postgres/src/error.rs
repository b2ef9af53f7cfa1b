//! What PostgreSQL says, in words that hold no value.

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use bonafide_vault::StoreError;
use deadpool_postgres::{HookError, PoolError, TimeoutType};
use tokio_postgres::error::SqlState;

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The server cannot be reached, does not prove that it is the right one, or does not let us in.
    #[error("no connection to the database: {reason}")]
    Connect {
        /// What the server or the system says.
        reason: String,
    },
    /// The server took too long, or all connections were in use for that time.
    #[error("the database did not answer within {} s", limit.as_secs_f32())]
    Slow {
        /// How long was waited.
        limit: Duration,
    },
    /// What others announce does not arrive. So it is behind a pooler that hands connections from one statement to
    /// the next.
    #[error(
        "changes by others are not heard of: connect to the server itself, or to a pooler in mode `session`"
    )]
    Deaf,
    /// The database stores text in another encoding than UTF-8.
    #[error("the database stores text as `{encoding}`: create one with `ENCODING 'UTF8'`")]
    Encoding {
        /// Which one.
        encoding: String,
    },
    /// The schema `bonafide` holds something that this program did not put there.
    #[error(
        "the schema `bonafide` of this database belongs to something else: use another database"
    )]
    Foreign,
    /// The tables were made by a version that knows more than this one.
    #[error(
        "the tables have version {version}: this program knows versions up to {known}, use a newer one"
    )]
    Newer {
        /// The version of the tables.
        version: i32,
        /// The newest version that this program knows.
        known: usize,
    },
    /// The server did not do what it was asked for.
    #[error("the database refused: {reason}")]
    Refused {
        /// PostgreSQL's own code: its appendix A.
        code: Box<str>,
        /// What the server says. Without any value.
        reason: String,
    },
    /// The database holds something that this crate does not write.
    #[error("the database is damaged: {what}")]
    Damaged {
        /// What is wrong, without any value.
        what: &'static str,
    },
}

impl From<tokio_postgres::Error> for OpenError {
    fn from(error: tokio_postgres::Error) -> Self {
        let reason = reason(&error);
        match error.code() {
            Some(code) if is_about_connections(code) => Self::Connect { reason },
            Some(code) if matches!(code.code(), "XX001" | "XX002") => {
                Self::Damaged { what: "PostgreSQL cannot make sense of its own files" }
            }
            Some(code) => Self::Refused { code: code.code().into(), reason },
            None if is_about_types(&error) => {
                Self::Damaged { what: "a column has another type than it was made with" }
            }
            None => Self::Connect { reason },
        }
    }
}

impl OpenError {
    pub(crate) fn from_pool(error: PoolError, limit: Duration) -> Self {
        match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                error.into()
            }
            PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle | TimeoutType::Wait) => {
                Self::Slow { limit }
            }
            other => Self::Connect { reason: other.to_string() },
        }
    }

    pub(crate) fn is_deadlock(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if **code == *SqlState::T_R_DEADLOCK_DETECTED.code())
    }

    /// Whether another attempt may find what this one did not, because nothing was done.
    pub(crate) fn is_about_the_connection(&self) -> bool {
        matches!(self, Self::Connect { .. })
    }
}

impl From<OpenError> for StoreError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Damaged { what } => Self::Damaged { what },
            other => Self::unavailable(other),
        }
    }
}

/// The code, and the message where it can only hold names.
///
/// Never the detail: there PostgreSQL quotes rows. The messages of some classes quote values as well, such as
/// what could not be converted; those of the classes here speak of users, databases, tables and limits.
fn reason(error: &tokio_postgres::Error) -> String {
    let Some(said) = error.as_db_error() else { return with_causes(error) };
    let code = said.code().code();
    let class = code.get(..2).unwrap_or_default();
    let names_only = matches!(
        class,
        "08" | "0A" | "25" | "28" | "3D" | "3F" | "40" | "42" | "53" | "55" | "57" | "58"
    );
    let mut reason = format!("PostgreSQL says {code}");
    if names_only {
        // Writing to a text does not fail.
        let _ = write!(reason, " ({})", said.message().escape_debug());
    }
    reason
}

fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| (**cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Shutdown, start, too many connections, a wrong password, an unknown database: PostgreSQL's appendix A.
fn is_about_connections(code: &SqlState) -> bool {
    let code = code.code();
    ["08", "28", "3D", "53", "57P"].iter().any(|class| code.starts_with(class))
}

/// Whether a column could not be read as what it should be.
fn is_about_types(error: &tokio_postgres::Error) -> bool {
    error.source().is_some_and(|cause| cause.is::<tokio_postgres::types::WrongType>())
}
