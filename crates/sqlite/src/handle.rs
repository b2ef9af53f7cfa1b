//! One open file, for everything that is kept in it.

use std::fmt;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bonafide_vault::ReadCache;

use crate::audit::{SqliteAudit, SqliteTrail};
use crate::file;
use crate::freshness::Freshness;
use crate::mapping::SqliteMapping;
use crate::open::{self, OpenError};
use crate::readers::Readers;
use crate::vault::{DEFAULT_CACHED_OWNERS, DEFAULT_STALENESS, SqliteVault};
use crate::writer::{Shared, Writer};

/// More connections than this would not read faster.
const MAX_READERS: usize = 8;

/// An open file: secrets, policy and audit in one, with one thread that makes changes.
///
/// Cloning costs a reference count. When the last clone is dropped, and the last of what was made of it, it waits
/// until queued changes are made.
///
/// ```
/// use bonafide_sqlite::SqliteFile;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("bonafide.db");
/// let file = SqliteFile::open(&path)?;
/// let (vault, mapping, audit) = (file.vault(), file.mapping(), file.audit());
/// # drop((vault, mapping, audit));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SqliteFile {
    opened: Arc<Opened>,
}

pub(crate) struct Opened {
    path: PathBuf,
    /// Dropped before `shared`: its thread uses that.
    pub(crate) writer: Writer,
    pub(crate) readers: Readers,
    pub(crate) shared: Arc<Shared>,
}

impl SqliteFile {
    /// Opens the file at `path`, or makes it. Blocks while it checks the file.
    ///
    /// # Errors
    ///
    /// As for [`SqliteVault::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_with(path.as_ref(), DEFAULT_CACHED_OWNERS, DEFAULT_STALENESS)
    }

    pub(crate) fn open_with(
        path: &Path,
        cached_owners: usize,
        staleness: Duration,
    ) -> Result<Self, OpenError> {
        let _opening = file::one_at_a_time();
        let path = file::prepare(path)?;
        let connection = open::writer(&path)?;
        let readers = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_READERS);
        let readers = Readers::open(&path, readers)?;
        let freshness = Freshness::new(ReadCache::new(cached_owners), staleness, &connection)?;
        let shared = Arc::new(Shared { connection: Mutex::new(connection), freshness });
        let writer = Writer::start(Arc::clone(&shared))?;
        Ok(Self { opened: Arc::new(Opened { path, writer, readers, shared }) })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.opened.path
    }

    /// The secrets in it.
    #[must_use]
    pub fn vault(&self) -> SqliteVault {
        SqliteVault::new(self.clone())
    }

    /// The policy in it.
    #[must_use]
    pub fn mapping(&self) -> SqliteMapping {
        SqliteMapping::new(self.clone())
    }

    /// The audit in it, to write.
    #[must_use]
    pub fn audit(&self) -> SqliteAudit {
        SqliteAudit::new(self.clone())
    }

    /// The audit in it, to read.
    #[must_use]
    pub fn trail(&self) -> SqliteTrail {
        SqliteTrail::new(self.clone())
    }

    pub(crate) fn opened(&self) -> &Opened {
        &self.opened
    }
}

/// Shows the path.
impl fmt::Debug for SqliteFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteFile").field("path", &self.opened.path).finish_non_exhaustive()
    }
}
