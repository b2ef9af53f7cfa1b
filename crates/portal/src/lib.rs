//! Where users enter their credentials: the API and the page, as an axum router.
//!
//! [`Portal`] serves `GET /api/tenants`, `PUT` and `DELETE /api/tenants/{tenant}/variables/{name}` for a caller with a bearer
//! token, and pages at `/connections` and `/connections/{tenant}` that say what a tenant needs and how to enter it.
//!
//! # Quick start
//!
//! ```
//! use std::sync::Arc;
//! use axum::{body::Body, http::{Request, StatusCode}};
//! use bonafide_mcp::SharedDirectory;
//! use bonafide_portal::Portal;
//! use bonafide_testkit::Issuer;
//! use bonafide_tower::Authenticator;
//! use bonafide_vault::{Keyring, MasterKey, MemoryVault, SecretStore};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let idp = Issuer::new("https://idp.example");
//! let secrets = SecretStore::new(Arc::new(MemoryVault::new()), Keyring::new(&MasterKey::generate()?)?);
//! let portal = Portal::new(
//!     Authenticator::bearer(idp.verifier()),
//!     SharedDirectory::default(),
//!     secrets,
//!     "https://mcp.example.com".parse()?,
//! );
//! let ask = || Request::get("/api/tenants").header("host", "mcp.example.com");
//!
//! let token = format!("Bearer {}", idp.user("alice").token());
//! let known = ask().header("authorization", token).body(Body::empty())?;
//! assert_eq!(portal.router().oneshot(known).await?.status(), StatusCode::OK);
//!
//! let unknown = ask().body(Body::empty())?;
//! assert_eq!(portal.router().oneshot(unknown).await?.status(), StatusCode::UNAUTHORIZED);
//! # Ok(()) }
//! ```
//!
//! # The API
//!
//! `GET /api/tenants` lists the tenants that the caller may reach:
//!
//! ```json
//! { "tenants": [ { "id": "github", "title": "GitHub", "endpoint": "https://mcp.example.com/github/mcp",
//!     "page": "https://mcp.example.com/connections/github", "ready": false,
//!     "variables": [ { "name": "GITHUB_TOKEN", "title": "Personal access token", "required": true, "secret": true,
//!       "set": false } ] } ] }
//! ```
//!
//! A variable that is set has `updated_at`, in seconds since 1970; one that is not secret has its `value`. `PUT` takes
//! `{"value": "…"}` and answers 204, `DELETE` answers 204. Refusals are problem details (RFC 9457): 400 a value that breaks a
//! rule of its declaration, 403 a tenant that the caller may not use, 404 no such tenant or variable, 413 more than 64 KiB,
//! 415 another content type, 503 no vault.
//!
//! # What it protects against, and what not
//!
//! * A secret goes in and never comes out; not even its owner sees it again.
//! * Nobody stores or sees anything for a tenant that the policy does not let them reach.
//! * There is no cookie, so there is nothing that a foreign page could make a browser send along.
//! * The pages need no token: they tell what the administrator wrote about a tenant's variables to whoever can reach them.

mod api;
mod page;
mod portal;
mod problem;

pub use portal::Portal;
