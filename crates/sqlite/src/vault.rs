//! The store.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bonafide_claims::UserId;
use bonafide_vault::{
    Lookup, Owner, Record, Replacement, SecretId, SecretName, Shelf, StoreError, Ticket, Vault,
};
use rusqlite::Connection;

use crate::error::RowError;
use crate::handle::SqliteFile;
use crate::open::OpenError;
use crate::rows;
use crate::writer::{Change, Done, Shared};

/// How many owners a vault keeps rows of in memory, unless told otherwise.
pub const DEFAULT_CACHED_OWNERS: usize = 16 * 1024;

/// How long a change by another process may go unseen, unless told otherwise.
pub const DEFAULT_STALENESS: Duration = Duration::from_millis(10);

/// Sealed secrets in one SQLite file. Several processes may use the file at once.
///
/// Reads run on the calling thread: a row at hand costs less than a microsecond, one from the file five to
/// ten, and a hop to another thread would cost more than either. Changes run on a thread of their own;
/// they are on the disk when they return, and those that come together share a sync.
///
/// Works on any executor. When the last reference is dropped, it waits until queued changes are made.
pub struct SqliteVault {
    file: SqliteFile,
}

/// How to open a [`SqliteVault`].
#[derive(Debug, Clone)]
pub struct SqliteVaultBuilder {
    path: PathBuf,
    cached_owners: usize,
    staleness: Duration,
}

impl SqliteVault {
    /// Opens the file at `path`, or makes it.
    ///
    /// Blocks while it checks the file: about 0.2 s for half a million secrets on a warm disk.
    ///
    /// # Errors
    ///
    /// An [`OpenError`] that says what is wrong with the file: among others that somebody else may read it,
    /// that it belongs to another application, and that it is damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder(path).open()
    }

    /// A way to open the file at `path` with other than the usual settings.
    #[must_use]
    pub fn builder(path: impl AsRef<Path>) -> SqliteVaultBuilder {
        SqliteVaultBuilder {
            path: path.as_ref().to_owned(),
            cached_owners: DEFAULT_CACHED_OWNERS,
            staleness: DEFAULT_STALENESS,
        }
    }

    pub(crate) fn new(file: SqliteFile) -> Self {
        Self { file }
    }

    /// The file, for what else is kept in it.
    #[must_use]
    pub fn file(&self) -> &SqliteFile {
        &self.file
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// From the cache or the file, on this thread and without waiting.
    ///
    /// Only who is missed again is taken into the cache, with all rows. A first read takes what it needs from the
    /// file: often it is the only one.
    fn read_here(
        &self,
        owner: Owner<'_>,
        names: &[SecretName],
    ) -> Result<Vec<Option<Record>>, RowError> {
        let Shared { connection, freshness } = &*self.file.opened().shared;
        let confirmed = freshness.confirm(connection);
        match freshness.cache().lookup(owner) {
            Lookup::Hit(shelf) if confirmed => return Ok(shelf.read(names)),
            Lookup::Miss(ticket) if ticket.is_repeated() => {
                // A damaged row that nobody asks for keeps the others out of the cache, and nothing else.
                if let Ok(shelf) = self.take_in(ticket, owner) {
                    return Ok(shelf.read(names));
                }
            }
            Lookup::Hit(_) | Lookup::Miss(_) => {}
        }
        rows::named(&self.file.opened().readers.free(), owner, names)
    }

    /// All rows of one owner, from the cache or the file, on this thread and without waiting.
    fn list_here(&self, owner: Owner<'_>) -> Result<Shelf, RowError> {
        let Shared { connection, freshness } = &*self.file.opened().shared;
        let confirmed = freshness.confirm(connection);
        match freshness.cache().lookup(owner) {
            Lookup::Hit(shelf) if confirmed => Ok(shelf),
            Lookup::Hit(_) => rows::shelf(&self.file.opened().readers.free(), owner),
            Lookup::Miss(ticket) => self.take_in(ticket, owner),
        }
    }

    /// All rows of one owner, which are in the cache from now on.
    fn take_in(&self, ticket: Ticket, owner: Owner<'_>) -> Result<Shelf, RowError> {
        let opened = self.file.opened();
        let shelf = rows::shelf(&opened.readers.free(), owner)?;
        opened.shared.freshness.cache().fill(ticket, owner, &shelf);
        Ok(shelf)
    }

    /// What `read` finds when the file is locked, as when another process recovers the log: waited for elsewhere.
    async fn elsewhere<T: Send + 'static>(
        &self,
        owner: Owner<'_>,
        read: impl FnOnce(&Connection, Owner<'_>) -> Result<T, RowError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (user, tenant) = (owner.user().clone(), owner.tenant().clone());
        let read = move |file: &_| read(file, Owner::new(&user, &tenant));
        // In a box, because this is rare, and the future of every read would have to be large enough for it.
        Ok(Box::pin(self.file.opened().writer.read(read)).await?)
    }

    async fn count(&self, change: Change) -> Result<u64, StoreError> {
        match self.file.opened().writer.change(change).await? {
            Done::Rows(count) => Ok(count),
            Done::Each(_) => Err(StoreError::Bug { what: "a change has another change's answer" }),
        }
    }
}

impl SqliteVaultBuilder {
    /// Keeps rows of about `owners` pairs of user and tenant in memory, sealed; none if it is 0. The
    /// default is [`DEFAULT_CACHED_OWNERS`].
    #[must_use]
    pub fn with_cached_owners(self, owners: usize) -> Self {
        Self { cached_owners: owners, ..self }
    }

    /// Lets a change that another process has made go unseen for at most `staleness`. The default is
    /// [`DEFAULT_STALENESS`]; with zero, each read asks the file, which costs about two microseconds.
    ///
    /// A change through the same `SqliteVault` is seen at once in any case.
    #[must_use]
    pub fn with_staleness(self, staleness: Duration) -> Self {
        Self { staleness, ..self }
    }

    /// Opens the file, or makes it.
    ///
    /// # Errors
    ///
    /// As for [`SqliteVault::open`].
    pub fn open(self) -> Result<SqliteVault, OpenError> {
        SqliteFile::open_with(&self.path, self.cached_owners, self.staleness).map(SqliteVault::new)
    }
}

#[async_trait]
impl Vault for SqliteVault {
    async fn read(
        &self,
        owner: Owner<'_>,
        names: &[SecretName],
    ) -> Result<Vec<Option<Record>>, StoreError> {
        match self.read_here(owner, names) {
            Err(RowError::Busy(_)) => {
                let names = names.to_vec();
                self.elsewhere(owner, move |file, owner| rows::named(file, owner, &names)).await
            }
            records => Ok(records?),
        }
    }

    async fn list(&self, owner: Owner<'_>) -> Result<Vec<(SecretName, Record)>, StoreError> {
        match self.list_here(owner) {
            Err(RowError::Busy(_)) => Ok(self.elsewhere(owner, rows::shelf).await?.list()),
            shelf => Ok(shelf?.list()),
        }
    }

    async fn write(
        &self,
        owner: Owner<'_>,
        name: &SecretName,
        record: Record,
    ) -> Result<(), StoreError> {
        self.count(Change::Write(id(owner, name), record)).await.map(drop)
    }

    async fn remove(&self, owner: Owner<'_>, name: &SecretName) -> Result<bool, StoreError> {
        Ok(self.count(Change::Remove(id(owner, name))).await? > 0)
    }

    async fn remove_user(&self, user: &UserId) -> Result<u64, StoreError> {
        self.count(Change::RemoveUser(user.clone())).await
    }

    async fn scan(
        &self,
        after: Option<&SecretId>,
        limit: usize,
    ) -> Result<Vec<(SecretId, Record)>, StoreError> {
        let after = after.cloned();
        let read = move |file: &_| rows::page(file, after.as_ref(), limit);
        Ok(self.file.opened().writer.read(read).await?)
    }

    async fn replace(&self, changes: Vec<Replacement>) -> Result<Vec<bool>, StoreError> {
        match self.file.opened().writer.change(Change::Replace(changes)).await? {
            Done::Each(made) => Ok(made),
            Done::Rows(_) => Err(StoreError::Bug { what: "a change has another change's answer" }),
        }
    }
}

fn id(owner: Owner<'_>, name: &SecretName) -> SecretId {
    SecretId::new(owner.user().clone(), owner.tenant().clone(), name.clone())
}

/// Shows the path and the size of the cache.
impl fmt::Debug for SqliteVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteVault")
            .field("path", &self.path())
            .field("cache", self.file.opened().shared.freshness.cache())
            .finish_non_exhaustive()
    }
}
