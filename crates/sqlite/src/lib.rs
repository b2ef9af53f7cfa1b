//! Secrets, policy and audit in one SQLite file: the embedded store.
//!
//! [`SqliteVault`] keeps what [`bonafide_vault`] seals; it sees no key and no value, and works on any executor.
//! [`SqliteMapping`] is the database form of a policy, `group_tenant_mapping`; it needs Tokio's clock.
//! [`SqliteAudit`] writes down what is decided and done, and [`SqliteTrail`] reads it. [`SqliteFile`] is the file that all
//! of them share. SQLite is built in.
//!
//! # Quick start
//!
//! ```
//! use std::sync::Arc;
//!
//! use bonafide_sqlite::{OpenError, SqliteVault};
//! use bonafide_vault::{Keyring, MasterKey, SecretStore};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("bonafide.db");
//! let vault = SqliteVault::open(&path)?;
//! let store = SecretStore::new(Arc::new(vault), Keyring::new(&MasterKey::generate()?)?);
//! # drop(store);
//!
//! // A file that others may read is refused, and so is one that is no database.
//! # #[cfg(unix)] {
//! use std::os::unix::fs::PermissionsExt;
//! std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644))?;
//! assert!(matches!(SqliteVault::open(&path), Err(OpenError::Permissions { .. })));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it does
//!
//! * **Changes** run on a thread of their own, in a write-ahead log with `synchronous = FULL`: they are on the
//!   disk when they return. Those that wait at the same time share a transaction and a sync, up to 128.
//!   A change whose caller stops waiting is made or not made, never half.
//! * **Reads** run on the calling thread, because a hop to another one costs more than the read. All rows of
//!   a user for a tenant are read at once and kept, sealed, in a bounded
//!   [`ReadCache`](bonafide_vault::ReadCache). A read that finds the file locked is handed to the thread for
//!   changes, which may wait.
//! * **Several processes** may use one file. A change through one `SqliteVault` is seen by it at once; one by
//!   another process within [`DEFAULT_STALENESS`], or the time that
//!   [`with_staleness`](SqliteVaultBuilder::with_staleness) sets. Asking SQLite whether the file has changed
//!   costs more than everything else in a warm read, which is why it is not asked each time.
//! * **Policy**: anybody who may write to the file may change the table with SQL. A change is noticed within
//!   [a quarter of a second](SqliteMapping::with_interval), and read as a whole or not at all.
//! * **Audit**: events that come together are one transaction, on a thread that no decision waits for. Reading them
//!   begins at the newest, and looks at a bounded number of rows.
//! * **Opening** refuses a file of another application before anything in it is changed, a file of a newer
//!   version, and a damaged one (`PRAGMA quick_check`), and brings an older one up to date in one
//!   transaction.
//!
//! # What it protects against, and what not
//!
//! * The file and those that SQLite puts beside it have mode 600, and a file with more than that is refused. On
//!   other systems than Unix, the directory has to protect it.
//! * A removed row is overwritten in the file (`secure_delete`), though not in the log, which SQLite empties
//!   when it is full and removes when the last process closes the file; nor in the spare blocks of a disk.
//! * A process that is killed leaves every secret with its old or its new value. For a loss of power, the same
//!   holds as far as the disk does what a sync asks for.
//! * Network file systems do not keep the promises that a write-ahead log needs: use a local disk.

mod audit;
mod error;
mod file;
mod freshness;
mod handle;
mod mapping;
mod mapping_rows;
mod open;
mod readers;
mod rows;
mod schema;
mod vault;
mod writer;

pub use audit::{SqliteAudit, SqliteTrail};
pub use handle::SqliteFile;
pub use mapping::SqliteMapping;
pub use open::OpenError;
pub use vault::{DEFAULT_CACHED_OWNERS, DEFAULT_STALENESS, SqliteVault, SqliteVaultBuilder};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
