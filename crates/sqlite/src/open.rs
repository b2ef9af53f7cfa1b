//! Opening a file.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::schema;

/// How long a change waits for another process to finish its own.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file cannot be made, opened or looked at.
    #[error("the file `{path}` cannot be opened")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The path leads to a directory, a device or the like.
    #[error("`{path}` is not a file: give the path of a file")]
    NotAFile {
        /// Which path.
        path: PathBuf,
    },
    /// Others than the owner may read or write the file.
    #[error(
        "the file `{path}` has mode {mode:03o}: its owner alone may use it, as with `chmod 600`"
    )]
    Permissions {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is an SQLite database of something else.
    #[error("the file is the database of another application: give the path of a new file")]
    Foreign,
    /// The file was written by a version that knows more than this one.
    #[error(
        "the file has version {version}: this program knows versions up to {known}, use a newer one"
    )]
    Newer {
        /// The version of the file.
        version: i64,
        /// The newest version that this program knows.
        known: usize,
    },
    /// The file is no database, or a damaged one.
    #[error("the file is damaged or no database: restore a copy of it")]
    Damaged,
    /// The file system cannot do what a write-ahead log needs, as with some network file systems.
    #[error("the file system does not allow a write-ahead log: use a local disk")]
    NoWal,
    /// Another process kept the file locked.
    #[error("the file is locked by another process")]
    Locked,
    /// The system has no thread left for the writer.
    #[error("the thread for changes cannot be started")]
    Thread {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// SQLite failed in another way.
    #[error("the database cannot be opened")]
    Sqlite {
        /// What SQLite said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Damaged,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            _ => Self::Sqlite { source: Box::new(error) },
        }
    }
}

/// The connection that makes changes. There is one for each process and file.
pub(crate) fn writer(path: &Path) -> Result<Connection, OpenError> {
    let mut connection = connect(path, BUSY_TIMEOUT)?;
    schema::check_application(&mut connection)?;
    enter_wal(&connection)?;
    // A change is on the disk when it is reported as made: one sync each. `fullfsync` is for macOS, where
    // an ordinary sync does not reach the disk. What is removed is overwritten.
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         PRAGMA secure_delete = ON;",
    )?;
    schema::migrate(&mut connection)?;
    connection.busy_timeout(Duration::ZERO)?;
    Ok(connection)
}

/// A connection that reads on its caller's thread, so it never waits for a lock: that is for the writer's
/// thread, which is asked when this one finds the file locked.
pub(crate) fn reader(path: &Path) -> Result<Connection, OpenError> {
    let connection = connect(path, Duration::ZERO)?;
    connection.execute_batch("PRAGMA query_only = ON;")?;
    Ok(connection)
}

fn connect(path: &Path, busy_timeout: Duration) -> Result<Connection, OpenError> {
    // No `CREATE`: the file is there, with the right permissions. No `URI`: a path is a path.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(busy_timeout)?;
    // A file that somebody prepared must not make SQLite call functions from its schema.
    connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")?;
    Ok(connection)
}

/// SQLite does not wait by itself when another process changes the journal mode at the same moment.
fn enter_wal(connection: &Connection) -> Result<(), OpenError> {
    let started = Instant::now();
    loop {
        let mode = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0));
        match mode.map(|mode: String| mode.eq_ignore_ascii_case("wal")).map_err(OpenError::from) {
            Ok(true) => return Ok(()),
            Ok(false) => return Err(OpenError::NoWal),
            Err(OpenError::Locked) if started.elapsed() < BUSY_TIMEOUT => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(error) => return Err(error),
        }
    }
}
