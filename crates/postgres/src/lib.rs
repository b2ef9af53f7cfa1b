//! Secrets, policy and audit in PostgreSQL: the store for many gateways side by side.
//!
//! [`PostgresVault`] keeps what [`bonafide_vault`] seals; it sees no key and no value. [`PostgresMapping`] is the
//! database form of a policy, `group_tenant_mapping`. [`PostgresAudit`] writes down what is decided and done, and
//! [`PostgresTrail`] reads it. [`Postgres`] is the database that all of them share. It needs Tokio, and PostgreSQL 11 or later.
//!
//! # Quick start
//!
//! ```
//! use std::sync::Arc;
//!
//! use bonafide_postgres::{Address, AddressError, Postgres};
//! use bonafide_vault::{Keyring, SecretStore};
//!
//! async fn store(url: &str, keyring: Keyring) -> Result<SecretStore, Box<dyn std::error::Error>> {
//!     let postgres = Postgres::new(url.parse::<Address>()?)?;
//!     // Makes the tables. The first use would do that as well, and say then what is wrong.
//!     postgres.prepare().await?;
//!     Ok(SecretStore::new(Arc::new(postgres.vault()), keyring))
//! }
//!
//! // A server that need not be the one that is meant is refused, and the password is not repeated.
//! let refused = "postgres://gateway:canary@db.example.com/bonafide?sslmode=prefer".parse::<Address>();
//! assert_eq!(refused.unwrap_err(), AddressError::SslMode);
//! ```
//!
//! # What it does
//!
//! * **Reads** take all rows of a user for a tenant in one round trip, with a statement that each connection has
//!   prepared, and keep them, sealed, in a bounded [`ReadCache`](bonafide_vault::ReadCache).
//! * **Changes** are single statements: they are made wholly or not at all, and are on the server's disk when they
//!   return, also where the database is set to `synchronous_commit = off`. If the connection breaks meanwhile,
//!   there is an error, and the change was made or it was not.
//! * **Several gateways** may use one database. Triggers announce each change, also one that somebody makes with
//!   SQL, and every gateway listens (`LISTEN`, `NOTIFY`). What another one has changed is usually seen within
//!   milliseconds, and always within [`MAX_STALENESS`]: a row at hand is believed only if the server has answered,
//!   on the connection that listens, within that time. While it does not, each read asks the database.
//! * **Policy**: a change of the table, also with SQL, wakes the [`Reloader`](bonafide_policy::Reloader) of every
//!   gateway. All rows are read in one statement: as of one moment, or not at all.
//! * **Audit**: events that come together are one statement. While the database is away they wait, up to half a
//!   minute and as long as the queue has room; each is written once, or counted as lost. What is too old is removed in
//!   the background, by one gateway at a time ([`PostgresAudit::with_keep`]).
//! * **Connections** are made when they are needed, at most [`DEFAULT_CONNECTIONS`], and replaced when they break.
//!   After the server was away, the next use finds it. A read whose connection breaks is tried once more.
//! * **Time limits**: [`DEFAULT_TIME_LIMIT`] for a connection, and the same for a statement, kept by the server
//!   and by us.
//! * **Tables** are in the schema `bonafide`, and are made and brought up to date at the first use, under an advisory
//!   lock. Tables of a newer version are refused.
//!
//! A role for gateways need not own the tables, once they are up to date:
//!
//! ```sql
//! GRANT USAGE ON SCHEMA bonafide TO gateway;
//! GRANT SELECT ON bonafide.schema_version, bonafide.group_tenant_mapping TO gateway;
//! GRANT SELECT, INSERT, UPDATE, DELETE ON bonafide.secrets TO gateway;
//! GRANT INSERT ON bonafide.audit TO gateway;
//! -- For administrators to see it, and for `keep` to remove what is too old:
//! GRANT SELECT, DELETE ON bonafide.audit TO gateway;
//! ```
//!
//! Listening takes a connection of its own and does not work through a pooler that hands connections from
//! one statement to the next (PgBouncer in mode `transaction`). That is noticed, and logged: no row at hand is believed
//! then, each read asks the database, and a policy in the database counts as one that may be old. A standby is refused: what it answers was true some
//! time ago.
//!
//! # What it protects against, and what not
//!
//! * The way to the server is encrypted, and the server has to show a certificate for its name, unless it is on
//!   this machine or `sslmode=disable` is written: [`Address`] has the rules. Who can answer in the server's place
//!   can make secrets unknown, and change what is not sealed: who may reach what.
//! * Whoever reads the database, its dumps or its log sees who has a secret for which tenant, under which name and
//!   since when, and no value. A row that was altered or moved does not open.
//! * Whoever may connect to the same database may listen: notifications hold a digest, so that they say that something
//!   of somebody has changed, and no name. Who knows an id can tell whether it was that one.
//! * Errors hold PostgreSQL's code, and its message where that can only name tables, roles and limits. No value, and
//!   never a password.
//! * A removed row stays in PostgreSQL's files until `VACUUM`, and in its log and backups for as long as those are kept.
//! * Issuer, directory, subject, tenant and name of a secret may have [`MAX_KEY_LEN`] bytes in all, which is what
//!   PostgreSQL can index.

mod address;
mod audit;
mod cache;
mod error;
mod hub;
mod mapping;
mod pool;
mod rows;
mod schema;
mod tls;
mod vault;

pub use address::{Address, AddressError};
pub use audit::{PostgresAudit, PostgresTrail};
pub use error::OpenError;
pub use hub::MAX_STALENESS;
pub use mapping::PostgresMapping;
pub use pool::{BuildError, DEFAULT_CONNECTIONS, DEFAULT_TIME_LIMIT, Postgres, PostgresBuilder};
pub use rows::MAX_KEY_LEN;
pub use vault::{DEFAULT_CACHED_OWNERS, PostgresVault};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
