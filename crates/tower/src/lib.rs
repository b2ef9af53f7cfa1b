//! Tower middleware for verified users: authenticate, challenge, scrub, describe the resource.

mod authenticate;
#[cfg(feature = "axum")]
mod extract;
mod hosts;
mod protected_resource;
mod scrub;

pub use authenticate::{
    Authenticate, AuthenticateError, AuthenticateLayer, Authenticator, Challenge,
};
#[cfg(feature = "axum")]
pub use extract::User;
pub use hosts::{AllowedHosts, HostError};
pub use protected_resource::{ProtectedResource, ResourceError, WELL_KNOWN};
pub use scrub::{IdentityHeaders, Scrub, ScrubLayer};
