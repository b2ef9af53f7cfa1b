//! The MCP gateway as a tower service: verified user in, that user's headers out, streams through.

mod backend;
mod body;
mod directory;
mod gateway;
mod limits;
mod message;
mod refusal;
mod session;
mod standard_headers;
mod tenant;

pub use backend::TlsError;
pub use body::{BodyError, GatewayBody};
pub use directory::{Directory, SharedDirectory};
pub use gateway::{BuildError, Gateway, GatewayBuilder};
pub use limits::Limits;
pub use refusal::code;
pub use session::{NoRandomness, SessionKey};
pub use tenant::{Tenant, TenantError};
