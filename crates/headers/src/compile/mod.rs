//! From declarations to [`Templates`]: every name is resolved here, once.

mod builder;
mod error;
mod header_name;
mod kind;
mod plan;
mod resolve;

pub use builder::{Templates, TemplatesBuilder};
pub(crate) use error::Problem;
pub use error::{CompileError, CompileErrors};
pub(crate) use header_name::canonical;
pub use kind::CompileErrorKind;
pub(crate) use plan::{Body, Fallback, Header, Input, Insert, Operand, Part, Shape, Source};

#[cfg(test)]
mod tests;
