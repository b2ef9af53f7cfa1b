//! An issuer's signing keys: discovered, fetched, cached, rotated.

mod algorithm;
mod clock;
mod fixed;
mod keys;
mod remote;
mod source;
pub mod strict_json;
mod transport;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use clock::{Clock, SystemClock};
pub use fixed::{KeyFileError, SharedSecret, ShortSecret, StaticKeys};
pub use keys::{
    BadSignature, Candidates, Generation, KeySet, KeySetError, MAX_KEYS, MAX_KEYS_PER_ID, NoKey,
    SigningKey, SkippedKey,
};
pub use remote::{EndpointError, FetchError, Freshness, KeysStatus, RemoteKeys, RemoteKeysBuilder};
pub use source::{KeySource, KeysUnavailable};
pub use transport::{Limits, Reach, RemoteAddress, Spawn, Transport, TransportError, Zone};
#[cfg(feature = "reqwest")]
pub use transport::{ReqwestTransport, TokioSpawn};
