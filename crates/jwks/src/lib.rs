//! An issuer's signing keys: discovered, fetched, cached, rotated, and never trusted for longer than they
//! should be.
//!
//! # What it does and does not do
//!
//! A [`KeySource`] gives the keys of one issuer: [`RemoteKeys`] from its JWKS endpoint (found by OpenID Connect
//! Discovery or RFC 8414, or named), [`StaticKeys`] from a document at hand, [`SharedSecret`] for HMAC. A
//! [`KeySet`] holds keys that were parsed once and verify signatures at the speed of aws-lc. Claims are not read
//! here: a signature says who signed, not whether the token is for you. `bonafide-claims` does the rest.
//!
//! # Quick start
//!
//! ```
//! use bonafide_jwks::{Algorithm, KeySet, NoKey};
//!
//! let document = br#"{"keys": [{
//!     "kty": "OKP", "crv": "Ed25519", "kid": "2026",
//!     "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
//! }, {
//!     "kty": "oct", "kid": "oops", "k": "bm90IGEgc2VjcmV0IGFueSBtb3Jl"
//! }]}"#;
//! let keys = KeySet::from_jwks(document)?;
//!
//! // The published secret was not taken for a key.
//! assert_eq!((keys.len(), keys.skipped().len()), (1, 1));
//!
//! let candidates = keys.candidates(Some("2026"), Algorithm::EdDsa)?;
//! assert!(candidates.verify(b"message", &[0; 64]).is_err());
//! assert_eq!(keys.candidates(Some("2026"), Algorithm::Hs256).unwrap_err(), NoKey::WrongAlgorithm);
//! assert_eq!(keys.candidates(Some("2025"), Algorithm::EdDsa).unwrap_err(), NoKey::Unknown);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Keys from the network:
//!
//! ```
//! # #[cfg(feature = "reqwest")] (|| {
//! use bonafide_jwks::{EndpointError, KeySource, RemoteKeys};
//!
//! let keys = RemoteKeys::discover("https://idp.example.com/realms/main").build()?;
//! // Nothing was fetched yet, so a dead issuer keeps no program from starting.
//! assert!(keys.current().is_none());
//!
//! let refused = RemoteKeys::discover("http://idp.example.com").build();
//! assert_eq!(refused.unwrap_err(), EndpointError::NotHttps);
//! # Ok::<(), EndpointError>(()) })().unwrap();
//! ```
//!
//! # What it protects against
//!
//! | what | how |
//! |---|---|
//! | a key that was withdrawn | a lifetime of at most 1 hour, 24 hours more if the issuer is away; both can be changed |
//! | random `kid`s that make us ask the issuer | one fetch at a time, and a pause of 10 seconds after each |
//! | an issuer that is slow, down or broken | known keys never wait; only a usable key set replaces keys; lazy start, retries |
//! | algorithm confusion | public keys and secrets are never in one set; a key is used with algorithms of its own kind only |
//! | published secrets, private keys, weak keys, keys for encryption | skipped one by one, counted, and the rest is used |
//! | an issuer that points us at our own network | redirects and a discovered `jwks_uri` reach public addresses only, after DNS |
//! | another crate's choice of crypto backend for `jsonwebtoken` | never asked: only its types are used here |
//!
//! It does not protect against an issuer whose keys were stolen, or a clock that somebody else sets.
//!
//! # How it runs
//!
//! No clock, socket or runtime of its own: [`Clock`], [`Transport`] and [`Spawn`] are given. A refresh ahead of
//! time is a task for [`Spawn`]; one that a token waits for is driven by that request and by the task, whichever
//! is polled, so nobody is stuck when a client goes away. [`RemoteKeys::status`] has counters for all of it, and
//! changes are `tracing` events with the issuer's URL and never a key.
//!
//! # Features
//!
//! | feature | default | what |
//! |---|---|---|
//! | `reqwest` | yes | `ReqwestTransport` and `TokioSpawn`, and `RemoteKeysBuilder::build` that uses both |

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

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
