//! What SQLite says, in the words of the vault.

use bonafide_vault::StoreError;
use rusqlite::ErrorCode;

use crate::open::OpenError;

/// Why a statement failed.
pub(crate) enum RowError {
    /// Another connection holds a lock.
    Busy(rusqlite::Error),
    /// Anything else.
    Store(StoreError),
}

impl From<rusqlite::Error> for RowError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy(error),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Store(StoreError::Damaged { what: "SQLite cannot make sense of the file" })
            }
            // The message names the statement at most: values are parameters, which it does not show.
            _ => Self::Store(StoreError::unavailable(error)),
        }
    }
}

impl From<RowError> for StoreError {
    fn from(error: RowError) -> Self {
        match error {
            RowError::Busy(error) => Self::unavailable(error),
            RowError::Store(error) => error,
        }
    }
}

impl From<RowError> for OpenError {
    fn from(error: RowError) -> Self {
        match error {
            RowError::Busy(_) => Self::Locked,
            RowError::Store(error) => Self::Sqlite { source: Box::new(error) },
        }
    }
}
