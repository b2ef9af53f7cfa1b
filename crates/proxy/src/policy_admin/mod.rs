//! What an operator does with the rules in a database, also while proxies use them.

mod csv;

use std::fmt;
use std::sync::Arc;

use bonafide_policy::{
    Added, Mapping, MappingRow, MappingStore, Policy, PolicyErrors, PolicyStore, ReloadError,
    Replaced, StoreError,
};

use crate::config::PolicyConfig;
use crate::policy;
use crate::proxy::StartError;
use crate::stores::Stores;
pub use csv::CsvError;

/// The policy that a configuration names: to look at and to test, and where it is in a database to change.
///
/// What is to be written is checked against the tenants and issuers of the configuration first.
pub struct PolicyAdmin {
    config: PolicyConfig,
    store: Option<Arc<dyn MappingStore>>,
}

/// Why the rules in a database were not read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyAdminError {
    /// The configuration names no database.
    #[error(
        "the configuration names no database of rules: add `store = \"sqlite:bonafide.db\"` to `[policy]`"
    )]
    NoStore,
    /// The database can't be opened.
    #[error(transparent)]
    Open(#[from] StartError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was to be written is wrong. Nothing was written.
    #[error("nothing was written")]
    Wrong(#[from] PolicyErrors),
    /// What was to be written can't be read. Nothing was written.
    #[error("nothing was written")]
    Csv(#[from] CsvError),
}

impl PolicyAdmin {
    /// Opens what the configuration names.
    ///
    /// # Errors
    ///
    /// [`PolicyAdminError::Open`] if the database can't be opened.
    pub fn open(config: PolicyConfig) -> Result<Self, PolicyAdminError> {
        Self::open_in(config, &mut Stores::default())
    }

    /// As [`open`](Self::open), and makes no SQLite file: for what concerns rules that are stored already.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open), also if there is no file.
    pub fn open_existing(config: PolicyConfig) -> Result<Self, PolicyAdminError> {
        Self::open_in(config, &mut Stores::existing())
    }

    fn open_in(config: PolicyConfig, stores: &mut Stores) -> Result<Self, PolicyAdminError> {
        let store = config.store.as_ref().map(|store| policy::open(store, stores));
        Ok(Self { store: store.transpose()?, config })
    }

    /// The policy: the rules of the file and those of the database, as a proxy would put them in force.
    ///
    /// # Errors
    ///
    /// If the rules can't be read, or make no policy.
    pub async fn policy(&self) -> Result<Policy, ReloadError> {
        let store = self.store.clone().map(|store| store as Arc<dyn PolicyStore>);
        policy::build(self.config.builder(), store.as_ref()).await
    }

    /// The rows of the database, in the order of their numbers.
    ///
    /// # Errors
    ///
    /// A [`PolicyAdminError`] if there are none to read.
    pub async fn rows(&self) -> Result<Vec<MappingRow>, PolicyAdminError> {
        Ok(self.store()?.rows().await?)
    }

    /// Adds rows, all or none.
    ///
    /// # Errors
    ///
    /// [`PolicyAdminError::Wrong`] with everything that is wrong with them.
    pub async fn add(&self, mappings: Vec<Mapping>) -> Result<Vec<Added>, PolicyAdminError> {
        self.check(&mappings)?;
        Ok(self.store()?.add(mappings).await?)
    }

    /// Removes the rows with these numbers, and says for each whether it was there.
    ///
    /// # Errors
    ///
    /// A [`PolicyAdminError`] if the database fails; then none is removed.
    pub async fn remove(&self, ids: Vec<i64>) -> Result<Vec<bool>, PolicyAdminError> {
        Ok(self.store()?.remove(ids).await?)
    }

    /// Adds the rows of a CSV text that are not there yet. [`Self::to_csv`] says what that looks like.
    ///
    /// # Errors
    ///
    /// [`PolicyAdminError::Csv`] if one of them can't be read or is wrong, with its line.
    pub async fn import(&self, csv: &str) -> Result<Replaced, PolicyAdminError> {
        let mappings = self.read(csv)?;
        let added = self.store()?.add(mappings).await?;
        let new = added.iter().filter(|added| added.new).count();
        Ok(Replaced { added: new, removed: 0, kept: added.len().saturating_sub(new) })
    }

    /// Makes the rows of the database those of a CSV text and no others.
    ///
    /// # Errors
    ///
    /// As for [`import`](Self::import).
    pub async fn replace(&self, csv: &str) -> Result<Replaced, PolicyAdminError> {
        let mappings = self.read(csv)?;
        Ok(self.store()?.replace(mappings).await?)
    }

    /// Rows as CSV (RFC 4180), the names of the columns first: what [`import`](Self::import) reads. The columns may
    /// come in any order, `group_name` and `tenant` are needed, and `id` is not looked at.
    #[must_use]
    pub fn to_csv(rows: &[MappingRow]) -> String {
        csv::write(rows)
    }

    fn read(&self, text: &str) -> Result<Vec<Mapping>, PolicyAdminError> {
        let lines = csv::read(text)?;
        let (lines, mappings): (Vec<usize>, Vec<Mapping>) = lines.into_iter().unzip();
        match self.check(&mappings) {
            Ok(()) => Ok(mappings),
            Err(errors) => Err(CsvError::wrong(&errors, &lines).into()),
        }
    }

    fn check(&self, mappings: &[Mapping]) -> Result<(), PolicyErrors> {
        self.config.scope().with_rules(Mapping::proposed(mappings)).build().map(drop)
    }

    fn store(&self) -> Result<&dyn MappingStore, PolicyAdminError> {
        self.store.as_deref().ok_or(PolicyAdminError::NoStore)
    }
}

impl fmt::Debug for PolicyAdmin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyAdmin").field("store", &self.store).finish_non_exhaustive()
    }
}
