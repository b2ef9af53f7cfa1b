//! Where users enter their credentials: the API and the pages, as an axum router.
//!
//! [`Portal`] serves pages at `/connections` and `/connections/{tenant}`, where users sign in with their usual account, see
//! what they may use, and enter, replace and remove what it needs; and `GET /api/tenants`, `PUT` and `DELETE
//! /api/tenants/{tenant}/variables/{name}` for a caller with a bearer token. It decides nothing about who may do what:
//! `bonafide-policy` does, with the same decision that guards a call; and it keeps nothing: `bonafide-vault` does.
//!
//! # Quick start
//!
//! ```
//! use std::sync::Arc;
//! use axum::{body::Body, http::{Request, StatusCode}};
//! use bonafide_mcp::SharedDirectory;
//! use bonafide_portal::Portal;
//! use bonafide_testkit::Issuer;
//! use bonafide_tower::Authenticator;
//! use bonafide_vault::{Keyring, MasterKey, MemoryVault, SecretStore};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let idp = Issuer::new("https://idp.example");
//! let secrets = SecretStore::new(Arc::new(MemoryVault::new()), Keyring::new(&MasterKey::generate()?)?);
//! let portal = Portal::new(
//!     Authenticator::bearer(idp.verifier()),
//!     SharedDirectory::default(),
//!     secrets,
//!     "https://mcp.example.com".parse()?,
//! );
//! let ask = || Request::get("/api/tenants").header("host", "mcp.example.com");
//!
//! let token = format!("Bearer {}", idp.user("alice").token());
//! let known = ask().header("authorization", token).body(Body::empty())?;
//! assert_eq!(portal.router().oneshot(known).await?.status(), StatusCode::OK);
//!
//! let unknown = ask().body(Body::empty())?;
//! assert_eq!(portal.router().oneshot(unknown).await?.status(), StatusCode::UNAUTHORIZED);
//! # Ok(()) }
//! ```
//!
//! # The API
//!
//! `GET /api/tenants` lists the tenants that the caller may reach:
//!
//! ```json
//! { "tenants": [ { "id": "github", "title": "GitHub", "endpoint": "https://mcp.example.com/github/mcp",
//!     "page": "https://mcp.example.com/connections/github", "ready": false,
//!     "variables": [ { "name": "GITHUB_TOKEN", "title": "Personal access token", "required": true, "secret": true,
//!       "set": false } ] } ] }
//! ```
//!
//! A variable that is set has `updated_at`, in seconds since 1970; one that is not secret has its `value`. `PUT` takes
//! `{"value": "…"}` and answers 204, `DELETE` answers 204. Refusals are problem details (RFC 9457): 400 a value that breaks a
//! rule of its declaration, 401 no valid token, 403 a tenant that the caller may not use, 404 no such tenant or variable, 408 a
//! body that does not arrive, 413 more than 64 KiB, 415 another content type, 422 JSON of another shape, 429 too many tries, 502
//! a backend that can't say whether it takes the value, 503 no vault.
//!
//! `/api/openapi.json` describes it for programs. `POST /api/tenants/{tenant}/variables/{name}/links` answers 201 with the
//! `url` of a page where the caller, signed in, sets that variable: once, and within 15 minutes. The link is for the
//! variable as it was when the link was made, so that it ends with any change, at any gateway; the gateway where it was
//! used remembers that besides. There are no links (404, which says why) where nobody can sign in to the pages, and where secrets are
//! stored unsealed: they could be used twice.
//!
//! # The pages
//!
//! [`Portal::with_sign_in`] switches them on. Sign-in is OpenID Connect's authorization code flow with PKCE; the redirect URI
//! to register is [`Portal::redirect_uri`]. Without it, the pages say how to use the API, and nothing about any user.
//!
//! * They work without JavaScript, because there is none; with a keyboard, a screen reader, a phone, in light and dark.
//! * [`Look`] replaces name, header, footer and style sheet; [`Texts`] has every sentence, to be translated.
//! * A session ends after 30 minutes without a request and after 8 hours in any case ([`SignIn::builder`]). It is sealed in
//!   cookies with the vault's master key, so that any gateway with the same key can go on with it.
//!
//! * A link from the gateway (`?e=…`) is refused, in words, for everybody but the user that it was made for.
//! * [`Portal::with_check`]: a tenant can want new values to be tried with `initialize` or `server/discover` before they are
//!   stored. A backend that answers those without looking at the credential accepts every one.
//! * [`Portal::with_administrators`]: who has stored what, by the id that the issuer gave them; reset a value, remove
//!   everything of a user; what was decided and done lately, by user and by tenant, where [`Portal::with_audit_trail`] says
//!   from where to read it. Never a value.
//!
//! # The audit
//!
//! [`Portal::with_audit`] writes down, beside the decisions of the gateway: values entered, replaced and removed, links made
//! and used, sign-ins and sign-outs, what administrators reset and remove and of whom, and who asked for their pages
//! without being one. Who is the verified user; which variable is a name. A change that a store failed to make, or may
//! have made, stands there as `failed`. A sign-in that the issuer or the portal refuses has no verified user: the log has
//! it, and the audit has not.
//!
//! What is in the cookie is the token that the issuer signed, not what was once read from it. Each request verifies
//! it again, as of the moment of the sign-in, so there is no second way to a
//! [`VerifiedUser`](bonafide_claims::VerifiedUser), and a key that the issuer withdraws ends the sessions that rest on it. A
//! session of up to about 11 KB of token fits; longer ones are split over up to four cookies, and beyond that refused
//! in words. Servers in front of this one that take less than 16 KB of headers may have to be told.
//!
//! Groups: with [`SignInBuilder::with_resource`] the session rests on an access token like the one of a call, and the pages
//! decide exactly as the gateway does. Without, it rests on the ID token. If that has no groups they are unknown, which
//! denies what rests on groups, and the pages say so.
//!
//! # What it protects against, and what not
//!
//! * A secret goes in and never comes out; not even its owner sees it again.
//! * Nobody stores or sees anything for a tenant that the policy does not let them reach.
//! * Forged sign-ins: `state` is sealed and bound to the browser, `nonce` to the ID token, the code to a PKCE verifier, `iss`
//!   (RFC 9207) is checked before the code goes anywhere, and nobody is sent to a foreign page afterwards.
//! * Forged forms: a token of the session in each, `Origin` and `Sec-Fetch-Site`, cookies with `SameSite=Lax`, `HttpOnly`
//!   and, over https, the prefix `__Host-`. Nothing changes by following a link. The API looks at no cookie.
//! * Foreign content: no script at all, no frame, nothing from elsewhere, by Content Security Policy.
//! * Changes are limited to 30 at once and one in 2 seconds for each user, at each gateway. The new values of a form are
//!   stored in one change of the store, all or none of them; what is emptied is removed after that.
//! * The issuer hears of nobody who does not bring the cookie of the browser that began the sign-in, and of each sign-in
//!   once at each gateway. From one address come 120 steps of sign-ins at once and 2 in a second, and 8 of the 32 exchanges
//!   with the issuer at a time; a stranger behind the same address counts with you. The address is that of the socket,
//!   and needs a server that says it ([`Peer`](bonafide_tower::Peer)); behind a proxy, all users have its address unless
//!   [`Portal::with_trusted_proxies`] names it.
//! * Signing out removes the cookies, leads to the issuer's own sign-out, and ends the session at this gateway: a copy of its
//!   cookie, or one that a slow response brings back, is refused there. At another gateway a copy is good until the
//!   session ends. The last 16,384 are remembered, until the gateway is restarted.
//! * What the issuer said about groups at the sign-in is believed until the session ends.

mod api;
mod checking;
mod cookies;
mod links;
mod look;
mod marks;
mod pages;
mod portal;
mod problem;
mod rate;
mod sealed;
mod session;
mod sign_in;
mod state;
mod storing;
mod strangers;
mod texts;
mod trail;

pub use look::Look;
pub use portal::{Portal, PortalError};
pub use sign_in::{SignIn, SignInBuilder, SignInConfigError};
pub use texts::Texts;
