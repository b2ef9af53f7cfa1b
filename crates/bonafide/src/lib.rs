//! Verified-user auth for MCP servers: one dependency, a feature for each part.
//!
//! Each module is one crate of the workspace, which can be used by itself as well. Together they are a chain in
//! which each value can only be made by the step before it:
//!
//! ```text
//! bearer token ──▶ VerifiedUser ──▶ Permit ──▶ Secrets ──▶ HeaderMap ──▶ backend
//!              claims           policy     vault       headers
//! ```
//!
//! | feature | default | module | what it is |
//! |---|---|---|---|
//! | `jwks` | yes | [`jwks`] | an issuer's signing keys: discover, fetch, cache, rotate |
//! | `claims` | yes | [`claims`] | signed token to `VerifiedUser` |
//! | `tower` | yes | [`tower`] | middleware: authenticate, challenge, scrub, metadata |
//! | `axum` | no | [`tower`] | the extractor `User` |
//! | `policy` | no | `policy` | user, tenant and tool to `Permit` or `Denial` |
//! | `vault` | no | `vault` | per-user secrets: trait, sealing, in-memory store |
//! | `keyring` | no | `vault` | master keys from the keyring of a Linux desktop |
//! | `sqlite` | no | `sqlite` | secrets, policy and audit in an SQLite file |
//! | `openbao` | no | `openbao` | secrets in OpenBao or HashiCorp Vault |
//! | `postgres` | no | `postgres` | secrets, policy and audit in PostgreSQL |
//! | `headers` | no | `headers` | header templates to `HeaderMap` |
//! | `mcp` | no | `mcp` | the MCP gateway as a tower service |
//! | `portal` | no | `portal` | where users enter their credentials |
//! | `proxy` | no | `proxy` | all of it from one configuration file |

#[cfg(feature = "claims")]
pub use bonafide_claims as claims;
#[cfg(feature = "headers")]
pub use bonafide_headers as headers;
#[cfg(feature = "jwks")]
pub use bonafide_jwks as jwks;
#[cfg(feature = "mcp")]
pub use bonafide_mcp as mcp;
#[cfg(feature = "openbao")]
pub use bonafide_openbao as openbao;
#[cfg(feature = "policy")]
pub use bonafide_policy as policy;
#[cfg(feature = "portal")]
pub use bonafide_portal as portal;
#[cfg(feature = "postgres")]
pub use bonafide_postgres as postgres;
#[cfg(feature = "proxy")]
pub use bonafide_proxy as proxy;
#[cfg(feature = "sqlite")]
pub use bonafide_sqlite as sqlite;
#[cfg(feature = "tower")]
pub use bonafide_tower as tower;
#[cfg(feature = "vault")]
pub use bonafide_vault as vault;

#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
