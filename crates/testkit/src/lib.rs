//! Identity provider and MCP backend for testing code that uses bonafide.
//!
//! Everything here is real where it counts: keys are generated, tokens are signed, HTTP is spoken. What a
//! test gets as a `VerifiedUser` went through the verifier.
//!
//! ```
//! use bonafide_testkit::Issuer;
//!
//! let idp = Issuer::new("https://idp.example");
//! let alice = idp.user("alice").with_groups(["staff"]);
//! assert_eq!(alice.verified().subject().as_str(), "alice");
//! ```
//!
//! A test kit fails loudly: what would be an error elsewhere is a panic here.
//!
//! | feature | what it adds |
//! |---|---|
//! | `http` | [`IdentityProvider`] and [`Server`] |
//! | `mcp` | [`McpBackend`] |
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test kit fails loudly"
)]

#[cfg(feature = "http")]
mod identity_provider;
mod issuer;
#[cfg(feature = "mcp")]
mod mcp_backend;
#[cfg(feature = "http")]
mod server;
#[cfg(feature = "http")]
mod sign_in;
mod signer;

#[cfg(feature = "http")]
pub use identity_provider::IdentityProvider;
pub use issuer::{AUDIENCE, Issuer, LIFETIME, User};
#[cfg(feature = "mcp")]
pub use mcp_backend::McpBackend;
#[cfg(feature = "http")]
pub use server::Server;
pub use signer::{Algorithm, Signer};
