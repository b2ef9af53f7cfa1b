//! Per-user secrets in OpenBao or HashiCorp Vault: a store of `bonafide-vault` in a key-value engine, version 2.
//!
//! [`OpenBaoVault`] keeps what [`bonafide_vault`] seals. It sees no key and no value, unless sealing was switched
//! off. It needs a Tokio runtime.
//!
//! # Quick start
//!
//! ```
//! use std::sync::Arc;
//!
//! use bonafide_openbao::{BuildError, Credentials, OpenBaoVault};
//! use bonafide_vault::{Keyring, MasterKey, SecretStore};
//! use secrecy::SecretString;
//!
//! # let token = || SecretString::from("example");
//! let vault = OpenBaoVault::builder("https://bao.example.com:8200", Credentials::token(token()))
//!     .with_mount("secret")
//!     .with_path("bonafide")
//!     .build()?;
//! let store = SecretStore::new(Arc::new(vault), Keyring::new(&MasterKey::generate()?)?);
//! # drop(store);
//!
//! // A token does not travel in the clear.
//! let refused = OpenBaoVault::builder("http://bao.example.com:8200", Credentials::token(token())).build();
//! assert!(matches!(refused, Err(BuildError::Address)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it does
//!
//! * **One entry for each user and tenant**, `MOUNT/PATH/ISSUER/DIRECTORY/SUBJECT/TENANT`, with a field for each secret. What
//!   is not a letter, a digit, `-`, `_` or a dot inside is written as `~` and two hexadecimal digits, and an absent
//!   directory as `~`, so that no two owners share a path and none climbs out of it.
//! * **Reads** are one request, or none: what was read is kept, sealed, in a bounded
//!   [`ReadCache`](bonafide_vault::ReadCache), which forgets everything each [`DEFAULT_STALENESS`]. A change through this
//!   store is seen at once; one by another process within that time.
//! * **Changes** read the entry and write it with check-and-set, again if somebody was faster. Entries keep one version, so that
//!   an earlier value is gone from the engine when it is replaced.
//! * **Sessions.** A token is renewed after two thirds of its time; with AppRole, a new one is got when the old one is refused or
//!   comes to its end. Nothing is asked of the server before the first use, so that a gateway starts without it.
//! * [`remove_user`](bonafide_vault::Vault::remove_user) and [`scan`](bonafide_vault::Vault::scan) go through listings, one
//!   request for each user and each entry: for administration, not for requests of users.
//!
//! The token needs this policy (with `secret` and `bonafide` as in the example):
//!
//! ```text
//! path "secret/data/bonafide/*"     { capabilities = ["create", "update", "read"] }
//! path "secret/metadata/bonafide/*" { capabilities = ["create", "update", "list", "delete"] }
//! path "secret/metadata/bonafide"   { capabilities = ["list"] }
//! ```
//!
//! # What it protects against, and what not
//!
//! * Whoever administers the server, or reads its storage or backups, sees who has a secret for which tenant, under which name,
//!   and since when. The values are sealed.
//! * `https` only, but on loopback; redirects are not followed, proxies of the environment not used, answers limited in time and size.
//! * Errors, logs and `Debug` hold no value, no token and no path.
//! * **Without sealing** ([`SecretStore::dangerous_without_sealing`](bonafide_vault::SecretStore::dangerous_without_sealing)), the
//!   server's own encryption and policies are all that protects a value. Its administrators can read each of them,
//!   whoever can write an entry can give a user the secret of another one, and so can a mistake. What remains is
//!   that this process asks only for what a permit names.

mod auth;
mod builder;
mod client;
mod document;
mod error;
mod listing;
mod path;
mod vault;

pub use auth::Credentials;
pub use builder::OpenBaoVaultBuilder;
pub use error::BuildError;
pub use vault::{DEFAULT_CACHED_OWNERS, DEFAULT_STALENESS, OpenBaoVault};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
