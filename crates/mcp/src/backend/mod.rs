//! The way to the backends and back.

mod answer;
mod client;
mod connect;
mod headers;

pub(crate) use answer::{Answer, Expected, media_type, read_answer};
pub(crate) use client::Backends;
pub use client::TlsError;
pub(crate) use headers::{request_headers, response_headers};
