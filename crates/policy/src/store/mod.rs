//! Rules that live somewhere, and change while the policy is in use.

mod file;
mod handle;
mod memory;
mod reload;

use std::path::PathBuf;

pub use file::FileStore;
pub use handle::{PolicyHandle, PolicyStatus};
pub use memory::MemoryStore;
pub use reload::Reloader;

use crate::error::PolicyErrors;
use crate::rule::Rule;

/// A place that rules are kept in.
///
/// Both functions may be dropped before they are done, and called again.
#[async_trait::async_trait]
pub trait PolicyStore: std::fmt::Debug + Send + Sync + 'static {
    /// All rules as they are now, or an error: never some of them.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] if they cannot be read, or if what is there are no rules.
    async fn load(&self) -> Result<Vec<Rule>, StoreError>;

    /// Returns once the rules may be others than [`load`](Self::load) last found, at once if they are
    /// already; waits for as long as they are not.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] if it cannot be told.
    async fn changed(&self) -> Result<(), StoreError>;
}

/// Why rules could not be had from where they are kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file cannot be read.
    #[error("policy file `{}` cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file is larger than a policy file may be.
    #[error("policy file `{}` has more than {limit} bytes: split the policy, or keep it in a database", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How many bytes are allowed.
        limit: u64,
    },
    /// The file was being written while it was read.
    #[error("policy file `{}` changes while it is read: write a new file and rename it", path.display())]
    Unsettled {
        /// The file.
        path: PathBuf,
    },
    /// What is there are no rules, or were to be written and are none.
    #[error(transparent)]
    Wrong(#[from] PolicyErrors),
    /// A row of `group_tenant_mapping` has something in it that its column cannot have.
    #[error("`group_tenant_mapping`, row {row}, column `{column}`: {problem}")]
    Row {
        /// The row's number.
        row: i64,
        /// The column.
        column: &'static str,
        /// What is wrong, and what would be right.
        problem: &'static str,
    },
    /// Another kind of store failed.
    #[error("the rules cannot be read from {store}")]
    Backend {
        /// What kind of store, for people.
        store: &'static str,
        /// What it says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The program is shutting down.
    #[error("the rules were not read: the program is shutting down")]
    Stopped,
}

/// Why a policy was not replaced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The rules could not be had.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The rules are wrong.
    #[error(transparent)]
    Policy(#[from] PolicyErrors),
}
