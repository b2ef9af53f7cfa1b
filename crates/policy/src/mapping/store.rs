//! Where mappings are kept.

use super::{Mapping, MappingRow};
use crate::store::{PolicyStore, StoreError};

/// A `group_tenant_mapping` that can be read and changed.
///
/// As a [`PolicyStore`] it gives a rule for each row; add it to a [`Reloader`](crate::Reloader) beside the rules
/// of a file. People may change the table with SQL at any time: nothing that was read stays true, and a row may
/// be wrong. The conformance suite (feature `conformance`) tests an implementation.
#[async_trait::async_trait]
pub trait MappingStore: PolicyStore {
    /// All rows in the order of their numbers, as of one moment.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] if they cannot be read.
    async fn rows(&self) -> Result<Vec<MappingRow>, StoreError>;

    /// Adds rows, all or none, and says for each which one it is. Those that are there already, whatever their
    /// notes, stay as they are.
    ///
    /// # Errors
    ///
    /// [`StoreError::Wrong`] if [`Mapping::check`] refuses one of them, and other [`StoreError`]s if they cannot
    /// be written.
    async fn add(&self, mappings: Vec<Mapping>) -> Result<Vec<Added>, StoreError>;

    /// Removes the rows with these numbers, all at once, and says for each whether it was there.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] if that fails; then none is removed.
    async fn remove(&self, ids: Vec<i64>) -> Result<Vec<bool>, StoreError>;

    /// Makes the rows these and no others, all at once. Rows that say the same keep their numbers, and get the
    /// new notes.
    ///
    /// # Errors
    ///
    /// As for [`add`](Self::add); then nothing is changed.
    async fn replace(&self, mappings: Vec<Mapping>) -> Result<Replaced, StoreError>;
}

/// What became of a mapping that was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// The number of its row.
    pub id: i64,
    /// Whether the row is new.
    pub new: bool,
}

/// What replacing all rows changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replaced {
    /// How many rows are new.
    pub added: usize,
    /// How many rows are gone.
    pub removed: usize,
    /// How many rows say what they said before.
    pub kept: usize,
}
