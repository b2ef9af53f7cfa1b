//! The way to the backends and back.

mod answer;
mod client;
mod coding;
mod deadline;
mod headers;
mod in_time;
mod plain;
mod pool;
mod relay;
mod source;

pub(crate) use answer::{Answer, Expected, MediaType, media_type, read_answer};
pub use client::TlsError;
pub(crate) use client::{Backends, CallError};
pub(crate) use coding::{Coding, Undecodable, accept_known_codings};
pub(crate) use headers::{request_headers, response_headers};
pub(crate) use pool::Pool;
pub(crate) use source::Source;

#[cfg(test)]
mod tests;
