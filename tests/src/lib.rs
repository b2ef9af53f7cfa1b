//! What the suites share: a gateway on loopback with users, tenants and stored credentials.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod log;
mod raw;
mod world;

pub use log::{Log, capture_log};
pub use raw::RawBackend;
pub use world::{CANARY, World, call};
