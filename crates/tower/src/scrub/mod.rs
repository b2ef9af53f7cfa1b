//! Headers that a client could forge, removed.

mod layer;
mod names;
mod service;

pub use layer::ScrubLayer;
pub use names::IdentityHeaders;
pub use service::Scrub;
