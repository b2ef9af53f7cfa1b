//! A verified user for every request that gets through.

mod authenticator;
mod challenge;
#[cfg(feature = "gateway")]
mod gateway;
mod hop;
mod layer;
mod service;

pub use authenticator::{AuthenticateError, Authenticator};
pub use challenge::Challenge;
#[cfg(feature = "gateway")]
pub use gateway::GatewayError;
pub use hop::{HopError, Peer, PeerRange, PeerRangeError, TrustedHop, TrustedHopBuilder};
pub use layer::AuthenticateLayer;
pub use service::Authenticate;
