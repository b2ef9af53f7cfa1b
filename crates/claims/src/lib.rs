//! Signed token in, [`VerifiedUser`] out: JWT verification whose result cannot be forged.
//!
//! # What it does and does not do
//!
//! A `Verifier` checks a token against the issuers that you trust and gives a [`VerifiedUser`]: who it is, and what
//! the issuer says about groups, roles and scopes. A function that takes a `VerifiedUser` need not ask whether the
//! caller was authenticated: there is no other way to get one. No function returns claims that were not verified.
//! What the user may do is not decided here, and no token is issued.
//!
//! # Quick start
//!
//! ```
//! # #[cfg(feature = "verify")] (|| {
//! # use std::sync::Arc;
//! use bonafide_claims::{BuildError, Profile, TrustedIssuer, Verifier, VerifyErrorKind};
//! use bonafide_jwks::SharedSecret;
//! # use futures_util::FutureExt;
//!
//! let secret = Arc::new(SharedSecret::new("sample: at least thirty-two bytes")?);
//! let issuer = TrustedIssuer::builder("open-webui".parse()?, secret.clone())
//!     .with_profile(Profile::open_webui())
//!     .build()?;
//! let verifier = Verifier::builder().with_issuer(issuer).build()?;
//!
//! // {"alg":"HS256"}.{"iss":"open-webui","sub":"7","email":"ada@example.com","exp":4102444800}
//! let token = "eyJhbGciOiJIUzI1NiJ9.\
//!     eyJpc3MiOiJvcGVuLXdlYnVpIiwic3ViIjoiNyIsImVtYWlsIjoiYWRhQGV4YW1wbGUuY29tIiwiZXhwIjo0MTAyNDQ0ODAwfQ.\
//!     rBG0J-yFdfscsOGdvVESiRf7jaUd40L6qPxqQf0nydE";
//! # let verify = |token: &str| verifier.verify(token).now_or_never().unwrap();
//! let user = verify(token)?;
//! assert_eq!(user.id().subject().as_str(), "7");
//!
//! // One changed character, and nothing of it is believed.
//! let error = verify(&token.replace("Ijoi", "Ijoj")).unwrap_err();
//! assert_eq!(error.kind(), VerifyErrorKind::Token);
//!
//! // Without an audience, a token for any other service of the issuer would do.
//! let lax = TrustedIssuer::builder("https://idp.example.com".parse()?, secret).build();
//! assert!(matches!(lax, Err(BuildError::NoAudience { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(()) })().unwrap();
//! ```
//!
//! # What it protects against
//!
//! | what | how |
//! |---|---|
//! | `alg: none`, a public key as HMAC secret, a key in the token | a list of algorithms for each issuer; keys of one kind; `jwk`, `jku`, `x5u`, `x5c`, `crit`, `b64` refused |
//! | tokens of another issuer, for another service, of another kind | `iss` and `aud` byte for byte, one issuer's keys for its own tokens only, `typ` and the claims that tell kinds apart |
//! | tokens without an end | `exp` is required; `nbf` and `iat` are checked; numbers only |
//! | two readings of one token | strict JSON (a member twice is refused, at any depth), canonical base64url, exact types |
//! | stolen sender-constrained tokens | `cnf` is refused: nothing here checks possession |
//! | another directory of the same cloud | Entra ID: `tid` must be in `iss`, on the list, and the one the key is published for |
//! | users in too many groups | [`Groups::Unknown`], never an empty set |
//! | reassigned e-mail addresses and logins | [`UserId`] is issuer, directory and subject, for Okta `uid` |
//! | floods | size limits before any work, no fetch for a bad signature, only verified tokens in the cache |
//!
//! It does not protect against a bearer token that was stolen and is still valid, or an issuer that signs what it
//! should not.
//!
//! # The cache
//!
//! A token that was verified is found again by a keyed hash and a comparison of the whole text, so no two tokens
//! share an entry. A digest would do instead, and costs more than the comparison. A hit holds only while the
//! issuer's key set is the same and the token's own time window is open, so a key that the issuer withdrew ends
//! every hit as soon as it is known. A hit costs no allocation but a reference count. At most 20,000 tokens are
//! kept, none of more than 8 KB; `VerifierBuilder::with_cached_tokens` changes that.
//!
//! Answers of an introspection endpoint have rules of their own: see `Introspection`.
//!
//! # Features
//!
//! | feature | default | what |
//! |---|---|---|
//! | `verify` | yes | `Verifier` and all that belongs to it. Without, only the types, for crates that take a [`VerifiedUser`] |

pub mod dangerous;
mod ids;
mod names;
mod text;
mod user;
#[cfg(feature = "verify")]
mod verify;

pub use ids::{
    DirectoryId, GroupName, IdError, Issuer, MAX_ID_LEN, RoleName, Scope, Subject, UserId,
};
pub use names::{Groups, NameSet, UnknownGroups};
pub use user::{Assurance, TokenKind, VerifiedUser};
#[cfg(feature = "verify")]
pub use verify::{
    BuildError, Claim, ClaimMap, ClaimPath, GraphBuildError, GraphError, GraphGroups,
    GraphGroupsBuilder, GroupResolver, GroupsUnavailable, Introspection, IntrospectionBuilder,
    IntrospectionError, IntrospectionUnavailable, MAX_LEEWAY, MAX_TOKEN_LEN, PathError, Profile,
    TrustedIssuer, TrustedIssuerBuilder, UnknownProfile, Verifier, VerifierBuilder, VerifyError,
    VerifyErrorKind,
};

#[cfg(all(doctest, feature = "verify"))]
#[doc = include_str!("../README.md")]
struct Readme;
