//! A verified user for every request that gets through.

mod authenticator;
mod challenge;
mod hop;
mod layer;
mod service;

pub use authenticator::{AuthenticateError, Authenticator};
pub use challenge::Challenge;
pub use hop::{HopError, Peer, PeerRange, PeerRangeError, TrustedHop, TrustedHopBuilder};
pub use layer::AuthenticateLayer;
pub use service::Authenticate;
