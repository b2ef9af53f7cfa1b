//! Which scopes a token must have for what is asked.

mod hierarchy;
mod layer;
mod required;
mod service;

pub use hierarchy::ScopeHierarchy;
pub use layer::RequireScopesLayer;
pub use required::{RequiredScopes, ScopeError};
pub use service::RequireScopes;
