//! Per-user secrets, sealed.

mod access;
pub mod admin;
mod cache;
#[cfg(feature = "conformance")]
pub mod conformance;
mod context;
mod envelope;
#[cfg(test)]
mod format_tests;
mod key;
mod keyring;
mod keyspec;
mod memory;
mod name;
mod owner;
mod seal;
#[cfg(test)]
mod seal_tests;
mod secrets;
mod vault;
mod weak;

pub use access::{SecretStore, UserVault, VaultError};
pub use cache::{Lookup, MAX_CACHED_LEN, ReadCache, Shelf, Ticket};
pub use envelope::{Envelope, FORMAT_VERSION};
pub use key::{KeyError, KeyId, KeyIdError, MASTER_KEY_LEN, MasterKey};
pub use keyring::Keyring;
pub use keyspec::{KeyLoadError, KeySpec, KeySpecError};
pub use memory::MemoryVault;
pub use name::{MAX_NAME_LEN, NameError, SecretName};
pub use owner::{Owner, SecretId};
pub use seal::{MAX_SECRET_LEN, OpenError, SealError, Sealer};
pub use secrets::{SecretStatus, Secrets};
pub use vault::{Record, Replacement, StoreError, Vault};
pub use weak::Weakness;
#[doc = include_str!("../FORMAT.md")]
pub mod format {}
