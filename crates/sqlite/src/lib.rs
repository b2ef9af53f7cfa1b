//! Sealed per-user secrets in one SQLite file.

mod error;
mod file;
mod freshness;
mod open;
mod readers;
mod rows;
mod schema;
mod vault;
mod writer;

pub use open::OpenError;
pub use vault::{DEFAULT_CACHED_OWNERS, DEFAULT_STALENESS, SqliteVault, SqliteVaultBuilder};
