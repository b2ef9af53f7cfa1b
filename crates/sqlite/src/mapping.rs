//! The policy in the file.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bonafide_policy::{
    Added, Mapping, MappingChange, MappingRow, MappingStore, PolicyStore, Replaced, Rule,
    StoreError,
};
use rusqlite::Connection;

use crate::error::RowError;
use crate::handle::SqliteFile;
use crate::mapping_rows as rows;

/// How often the file is asked for changes, unless told otherwise.
const INTERVAL: Duration = Duration::from_millis(250);

/// No version of a table: what stands for "nothing loaded yet".
const NONE: i64 = i64::MIN;

/// The table `group_tenant_mapping` in an SQLite file.
///
/// Other processes may change it at any time, with `mcp-proxy policy` or with SQL. Triggers count its changes, so
/// that looking for one reads a single number, whatever else happens to the file. Needs Tokio's clock for that.
///
/// ```
/// use bonafide_policy::{Mapping, MappingStore, Policy, Reloader, StoreError};
/// use bonafide_sqlite::SqliteFile;
/// use std::sync::Arc;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("bonafide.db");
/// let mapping = Arc::new(SqliteFile::open(&path)?.mapping());
/// mapping.add(vec![Mapping::allow("MCP-GitHub", "github")]).await?;
///
/// // What is no mapping is not written.
/// let wrong = mapping.add(vec![Mapping::allow("MCP-GitHub", "GitHub")]).await;
/// assert!(matches!(wrong, Err(StoreError::Wrong(_))));
///
/// let reloader = Reloader::start(Policy::builder(), vec![mapping]).await?;
/// assert_eq!(reloader.handle().current().rule_count(), 1);
/// # Ok(()) }
/// ```
pub struct SqliteMapping {
    file: SqliteFile,
    interval: Duration,
    /// The version that `load` found last.
    loaded: AtomicI64,
}

impl SqliteMapping {
    pub(crate) fn new(file: SqliteFile) -> Self {
        Self { file, interval: INTERVAL, loaded: AtomicI64::new(NONE) }
    }

    /// How long to wait between looks for changes. 250 ms by default.
    #[must_use]
    pub fn with_interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        Ok(self.file.opened().writer.write(change).await?)
    }

    /// The version now, or `None` if the file is locked at the moment.
    fn version(&self) -> Result<Option<i64>, StoreError> {
        match rows::version(&self.file.opened().readers.free()) {
            Ok(version) => Ok(Some(version)),
            Err(RowError::Busy(_)) => Ok(None),
            Err(error) => Err(Fault::Row(error).into()),
        }
    }
}

#[async_trait]
impl PolicyStore for SqliteMapping {
    async fn load(&self) -> Result<Vec<Rule>, StoreError> {
        let read = |file: &Connection| -> Result<_, Fault> {
            // One snapshot: the version is the one of these rows.
            let snapshot = file.unchecked_transaction()?;
            let version = rows::version(&snapshot)?;
            match rows::all(&snapshot) {
                Err(Fault::Row(error)) => Err(error.into()),
                rows => Ok((version, rows)),
            }
        };
        let (version, rows) = self.file.opened().writer.read(read).await?;
        // Remembered even if a row is wrong: they are worth another try once they are others.
        self.loaded.store(version, Ordering::Release);
        Ok(rows?.into_iter().map(Rule::from).collect())
    }

    async fn changed(&self) -> Result<(), StoreError> {
        loop {
            let version = self.version()?;
            if version.is_some_and(|version| version != self.loaded.load(Ordering::Acquire)) {
                return Ok(());
            }
            tokio::time::sleep(self.interval).await;
        }
    }
}

#[async_trait]
impl MappingStore for SqliteMapping {
    async fn rows(&self) -> Result<Vec<MappingRow>, StoreError> {
        Ok(self.file.opened().writer.read(rows::all).await?)
    }

    async fn add(&self, mappings: Vec<Mapping>) -> Result<Vec<Added>, StoreError> {
        Mapping::check(&mappings)?;
        let add = move |file: &Connection| {
            mappings.iter().map(|mapping| rows::add(file, mapping)).collect()
        };
        self.change(add).await
    }

    async fn remove(&self, ids: Vec<i64>) -> Result<Vec<bool>, StoreError> {
        let remove =
            move |file: &Connection| ids.iter().map(|id| rows::remove(file, *id)).collect();
        self.change(remove).await
    }

    async fn replace(&self, mappings: Vec<Mapping>) -> Result<Replaced, StoreError> {
        Mapping::check(&mappings)?;
        let replace = move |file: &Connection| {
            let change = MappingChange::between(&rows::all(file)?, &mappings);
            for id in &change.remove {
                rows::remove(file, *id)?;
            }
            for (id, note) in &change.notes {
                rows::set_note(file, *id, note.as_deref())?;
            }
            for mapping in &change.add {
                rows::add(file, mapping)?;
            }
            Ok(change.summary())
        };
        self.change(replace).await
    }
}

/// Why something about the table failed.
pub(crate) enum Fault {
    Row(RowError),
    Store(StoreError),
}

impl From<RowError> for Fault {
    fn from(error: RowError) -> Self {
        Self::Row(error)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Row(error.into())
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Store(error) => error,
            Fault::Row(error) => {
                let source = Box::new(bonafide_vault::StoreError::from(error));
                Self::Backend { store: "the SQLite file", source }
            }
        }
    }
}

/// Shows the path.
impl fmt::Debug for SqliteMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteMapping").field("path", &self.file.path()).finish_non_exhaustive()
    }
}
