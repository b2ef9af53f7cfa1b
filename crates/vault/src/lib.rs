//! Per-user secrets, sealed so that neither a database reader nor another user nor an operator's mistake reads them.
//!
//! A [`SecretStore`] is a store ([`Vault`]) and the keys to it ([`Keyring`]). Opened with a
//! [`Permit`](bonafide_policy::Permit) it gives the secrets of that permit's user for that permit's tenant. The
//! crate seals, opens, and keeps secrets in memory ([`MemoryVault`]); files and servers are the business of
//! other crates, such as `bonafide-sqlite`. It puts no secret into a request: `bonafide-headers` does.
//!
//! # Quick start
//!
//! ```
//! use std::sync::Arc;
//!
//! use bonafide_policy::Permit;
//! use bonafide_vault::{
//!     Keyring, MasterKey, MemoryVault, OpenError, SecretName, SecretStore, VaultError,
//! };
//! use secrecy::{ExposeSecret, SecretString};
//!
//! /// What the portal does with what a user typed, and the gateway with a request.
//! async fn store_and_use(store: &SecretStore, permit: &Permit) -> Result<(), VaultError> {
//!     let names: [SecretName; 2] = ["GITHUB_TOKEN", "NOT_SET"].map(|name| name.parse().unwrap());
//!     let vault = store.open(permit);
//!     vault.write(&names[0], SecretString::from("ghp_example")).await?;
//!
//!     let secrets = vault.read(&names).await?;
//!     assert_eq!(secrets.get(0).unwrap().expose_secret(), "ghp_example");
//!     assert!(secrets.get(1).is_none());
//!     Ok(())
//! }
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! # let issuer = bonafide_testkit::Issuer::new("https://idp.example");
//! # let user = issuer.user("alice").with_groups(["staff"]).verified();
//! # let policy = bonafide_policy::Policy::builder()
//! #     .with_rule(bonafide_policy::Rule::allow("staff").with_groups(["staff"]).with_tenants(["github"]))
//! #     .build()?;
//! # let permit = policy.permit(&user, &"github".parse()?)?;
//! let vault = Arc::new(MemoryVault::new());
//! let store = SecretStore::new(vault.clone(), Keyring::new(&MasterKey::generate()?)?);
//! store_and_use(&store, &permit).await?;
//!
//! // The same rows without the key: an error, not "not set".
//! let stranger = SecretStore::new(vault, Keyring::new(&MasterKey::generate()?)?);
//! let refused = stranger.open(&permit).read(&["GITHUB_TOKEN".parse()?]).await.unwrap_err();
//! assert!(matches!(refused, VaultError::Sealed { source: OpenError::UnknownKey { .. }, .. }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! There is no way to the secrets of somebody who was not verified and permitted:
//!
//! ```compile_fail
//! # use bonafide_vault::{Owner, Secrets, SecretStore, VaultError};
//! async fn read(store: &SecretStore, owner: Owner<'_>) -> Result<Secrets, VaultError> {
//!     store.open(owner).read(&[]).await
//! }
//! ```
//!
//! # What it protects against, and what not
//!
//! * **Somebody reads the database, a backup or a log.** Values are sealed with AES-256-GCM-SIV under a key
//!   of their user: [`mod@format`] has every byte. What shows is who has a secret for which tenant, under which
//!   name, since when, and how long it is.
//! * **Somebody writes to the database.** An envelope that is altered, or moved to another user, tenant or name,
//!   does not open, and that is an error. Removing a row, putting an older envelope of the same row back, and
//!   changing the times beside it (set, expires, refused) is not noticed: [`Record`].
//! * **Another user.** A [`UserVault`] is bound to the permit's user; e-mail addresses and user names play no
//!   part.
//! * **An operator's mistake.** There is no built-in key; keys that are short, zero, repeated, counted, typed or
//!   copied from this documentation are refused, and key files that others may read.
//! * **Whoever has a master key and the database** has everything, and so has who can read this process's
//!   memory. Opened values and keys are wiped when they are dropped; what the cryptography library leaves on a
//!   stack, and copies that others make, are not.
//!
//! # Features
//!
//! | feature | default | brings |
//! |---|---|---|
//! | `keyring` | no | master keys from the Secret Service of a Linux desktop, `keyring:NAME`; nothing elsewhere |
//! | `conformance` | no | the suite that every store runs: the module `conformance` (needs Tokio) |

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
mod recent;
mod seal;
#[cfg(test)]
mod seal_tests;
mod secrets;
mod shelf;
mod state;
mod system_keyring;
mod user_keys;
mod vault;
mod weak;

pub use access::{SecretStore, UserVault, VaultError};
pub use cache::{Lookup, MAX_CACHED_LEN, ReadCache, Ticket};
pub use envelope::{Envelope, FORMAT_VERSION};
pub use key::{KeyError, KeyId, KeyIdError, MASTER_KEY_LEN, MasterKey};
pub use keyring::{Keyring, Subkey};
pub use keyspec::{KeyLoadError, KeySpec, KeySpecError};
pub use memory::MemoryVault;
pub use name::{MAX_NAME_LEN, NameError, SecretName};
pub use owner::{Owner, SecretId};
pub use seal::{MAX_SECRET_LEN, OpenError, SealError, Sealer};
pub use secrets::{SecretStatus, Secrets};
pub use shelf::Shelf;
pub use state::{MAX_STATE_LEN, StateError, StateSealer};
pub use vault::{Record, Replacement, StoreError, Vault};
pub use weak::Weakness;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
#[doc = include_str!("../FORMAT.md")]
pub mod format {}
