//! What somebody sends who means harm, byte by byte, to the whole proxy with the server that runs it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod bombs;
mod encoded;
mod http2;
mod slow;
mod slow_http2;
mod smuggling;
mod twins;
mod world;
