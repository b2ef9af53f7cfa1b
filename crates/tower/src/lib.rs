//! Tower middleware for verified users: authenticate, challenge, ask for scopes, scrub, describe the resource.
//!
//! [`AuthenticateLayer`] lets a request through if its token verifies, and puts a
//! [`VerifiedUser`](bonafide_claims::VerifiedUser) into its extensions; everybody else gets 401 and is told where to
//! get a token (RFC 6750, RFC 9728). [`RequireScopesLayer`] asks a token for scopes, and tells a client which ones it lacks
//! (`insufficient_scope`); scopes may imply others ([`ScopeHierarchy`]). [`ScrubLayer`] removes the headers by which a client could claim to be somebody.
//! [`AllowedHosts`] refuses requests that were addressed to, or come from, a foreign name. The crate decides nothing
//! about who may do what; that is `bonafide-policy`.
//!
//! # Quick start
//!
//! ```
//! use bonafide_testkit::Issuer;
//! use bonafide_tower::{AuthenticateLayer, Authenticator};
//! use bonafide_claims::VerifiedUser;
//! use http::{Request, Response, StatusCode};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let inner = service_fn(|request: Request<()>| async move {
//!     let user = request.extensions().get::<VerifiedUser>().expect("the layer put it there");
//!     Ok::<_, std::convert::Infallible>(Response::new(user.subject().as_str().to_owned()))
//! });
//! let idp = Issuer::new("https://idp.example");
//! let service = AuthenticateLayer::new(Authenticator::bearer(idp.verifier())).layer(inner);
//!
//! let token = format!("Bearer {}", idp.user("alice").token());
//! let request = Request::builder().header("authorization", token).body(()).unwrap();
//! assert_eq!(service.clone().oneshot(request).await.unwrap().body(), "alice");
//!
//! let response = service.oneshot(Request::new(())).await.unwrap();
//! assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
//! # }
//! ```
//!
//! # What it protects against, and what not
//!
//! * A service behind [`AuthenticateLayer`] never runs without a verified user, and never sees the token.
//! * Two tokens in one request are refused, even if both are good. An issuer whose tokens are expected in one header is
//!   not believed in another.
//! * A client is told that its token is not good, and not why in detail; the reason goes to `tracing`, without any value
//!   of the token.
//! * DNS rebinding, if [`AllowedHosts`] is asked.
//! * Headers in which somebody says who the user is are worth nothing, unless a [`TrustedHop`] was set up on purpose: a
//!   shared secret, compared in constant time, from an address on a list. Its users are marked as known by word only.
//! * It does not encrypt. Whoever reads the connection reads the token: use TLS.
//!
//! # Features
//!
//! | feature | default | brings |
//! |---|---|---|
//! | `axum` | no | the extractor [`User`](https://docs.rs/bonafide-tower/latest/bonafide_tower/struct.User.html) |
//! | `gateway` | no | `Authenticator::of_gateway`, for a backend behind a bonafide gateway |

mod authenticate;
#[cfg(feature = "axum")]
mod extract;
mod hosts;
mod protected_resource;
mod scopes;
mod scrub;

#[cfg(feature = "gateway")]
pub use authenticate::GatewayError;
pub use authenticate::{
    Authenticate, AuthenticateError, AuthenticateLayer, Authenticator, Challenge, HopError, Peer,
    PeerRange, PeerRangeError, TrustedHop, TrustedHopBuilder,
};
#[cfg(feature = "axum")]
pub use extract::User;
pub use hosts::{AllowedHosts, HostError};
pub use protected_resource::{ProtectedResource, ResourceError, WELL_KNOWN};
pub use scopes::{RequireScopes, RequireScopesLayer, RequiredScopes, ScopeError, ScopeHierarchy};
pub use scrub::{IdentityHeaders, Scrub, ScrubLayer};
