//! Tokens that only their issuer understands: RFC 7662.

mod questions;
mod refusals;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bonafide_jwks::strict_json::{self, Object, Value};
use bonafide_jwks::{
    Generation, KeySet, KeySource, KeysUnavailable, Limits, Reach, Transport, TransportError,
};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url, form_urlencoded};

use super::cache::{Hit, Proof};
use super::check::{self, Window};
use super::claim_map::ClaimMap;
use super::error::{Claim, VerifyError, VerifyErrorKind};
use super::extract;
use super::issuer::{BuildError, TrustedIssuer, TrustedIssuerBuilder};
use super::profile::Profile;
use super::resolver;
use crate::ids::Issuer;
use crate::user::VerifiedUser;
use questions::Questions;
use refusals::Refusals;

/// Asks an issuer about its opaque tokens.
///
/// The answer must be about an active bearer token for one of our audiences, with a subject; `iss` must be the
/// configured issuer where it is there, and `exp`, `nbf` and `iat` are checked as in a JWT.
///
/// # What is kept
///
/// | answer | how long | where |
/// |---|---|---|
/// | good | 1 minute, and never beyond `exp` | among the verified tokens: [`with_cached_tokens`](crate::VerifierBuilder::with_cached_tokens) |
/// | a refusal: inactive, or not a token for us | 10 seconds | 1,024 tokens of their own, of which the oldest makes room |
/// | none, or one that is not as RFC 7662 has it | not at all | |
///
/// Each time is counted from the question. A token that the issuer revokes is refused after a minute (RFC 7662,
/// section 4, on caching). Those who send the same token while a question about it is open share the answer. The
/// endpoint's `Cache-Control` does not count: nearly all say `no-store`, which is meant for caches of HTTP.
///
/// # Security
///
/// Nothing but the connection vouches for the answer: the endpoint must be `https` (`http` on loopback).
/// Whoever sends random tokens makes us ask, so only so many questions are open at a time, and further ones
/// fail as unavailable. However many tokens are refused, no good one is forgotten for that.
#[derive(Clone)]
pub struct Introspection {
    inner: Arc<Inner>,
}

struct Inner {
    trusted: TrustedIssuer,
    endpoint: Url,
    authorization: HeaderValue,
    transport: Arc<dyn Transport>,
    lifetime: Duration,
    timeout: Duration,
    most_open: usize,
    open: Arc<Questions>,
    refused: Refusals,
}

/// Builds an [`Introspection`].
#[must_use]
pub struct IntrospectionBuilder {
    trusted: TrustedIssuerBuilder,
    endpoint: String,
    client_id: String,
    client_secret: SecretString,
    lifetime: Duration,
    refusal_lifetime: Duration,
    timeout: Duration,
    most_open: usize,
}

/// Terms under which no token can be asked about safely.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IntrospectionError {
    /// The endpoint is no URL to send a token and a secret to.
    #[error(
        "the introspection endpoint is not an `https` URL: only loopback may be reached by `http`"
    )]
    Endpoint,
    /// The terms of the issuer.
    #[error("the terms of the issuer are not safe")]
    Issuer(#[source] BuildError),
}

/// The issuer could not be asked.
#[derive(Debug, Clone)]
pub struct IntrospectionUnavailable(Arc<Fault>);

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("no answer from the introspection endpoint")]
    Transport(#[source] TransportError),
    #[error("the introspection endpoint answered with status {0}")]
    Status(StatusCode),
    #[error("the answer of the introspection endpoint is not as RFC 7662 has it")]
    Malformed,
    #[error("too many questions to the introspection endpoint are open")]
    Busy,
}

impl fmt::Display for IntrospectionUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for IntrospectionUnavailable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// The longest answer that is read, in bytes.
const MAX_BYTES: usize = 64 * 1024;

impl Introspection {
    /// The issuer, its endpoint, and who we are to it.
    pub fn builder(
        issuer: Issuer,
        endpoint: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: SecretString,
    ) -> IntrospectionBuilder {
        IntrospectionBuilder {
            trusted: TrustedIssuer::builder(issuer, Arc::new(NoKeys)),
            endpoint: endpoint.into(),
            client_id: client_id.into(),
            client_secret,
            lifetime: Duration::from_secs(60),
            refusal_lifetime: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            most_open: 32,
        }
    }

    /// In seconds.
    pub(super) fn leeway(&self) -> u64 {
        self.inner.trusted.leeway
    }

    pub(super) async fn ask(&self, token: &str, now: u64) -> Result<Hit, VerifyError> {
        check_token(token)?;
        if let Some(refusal) = self.inner.refused.find(token, now) {
            return Err(refusal);
        }
        let ask = || {
            let (inner, token) = (Arc::clone(&self.inner), token.to_owned());
            async move {
                let outcome = inner.ask(&token, now).await;
                if let Err(refusal) = &outcome
                    && refusal.kind() == VerifyErrorKind::Token
                {
                    inner.refused.insert(&token, refusal.clone(), now);
                }
                outcome
            }
        };
        match self.inner.open.join(token, self.inner.most_open, ask) {
            Some(answer) => answer.await,
            None => Err(unavailable(Fault::Busy)),
        }
    }
}

fn unavailable(fault: Fault) -> VerifyError {
    VerifyError::IntrospectionUnavailable(IntrospectionUnavailable(Arc::new(fault)))
}

impl Inner {
    async fn ask(&self, token: &str, now: u64) -> Result<Hit, VerifyError> {
        let answer = self.send(token).await.map_err(unavailable)?;
        let claims = strict_json::parse(&answer).map_err(|_| unavailable(Fault::Malformed))?;
        match claims.get("active") {
            Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => return Err(VerifyError::Inactive),
            _ => return Err(unavailable(Fault::Malformed)),
        }
        let trusted = &self.trusted;
        let kept_until = now.saturating_add(self.lifetime.as_secs());
        let window = self.check(&claims, now, kept_until)?;
        let mut user = extract::user(trusted.issuer.as_str(), &claims, &window, trusted)?;
        drop(claims);
        let mut until = kept_until.min(window.expiry);
        if let Some(asked) = resolver::resolve(&mut user, trusted.resolver.as_deref()).await {
            until = until.min(now.saturating_add(asked.lifetime()));
        }
        user.payload = answer.to_vec().into_boxed_slice();
        let proof = Proof::Introspection;
        Ok(Hit { user: VerifiedUser::new(user), proof, window, until })
    }

    /// With the end of the token where the answer names none: `exp` is optional here, since the issuer has just said
    /// that the token is active.
    fn check(&self, claims: &Object<'_>, now: u64, end: u64) -> Result<Window, VerifyError> {
        let trusted = &self.trusted;
        let ours = trusted.issuer.as_str();
        match claims.get(Claim::Issuer.as_str()) {
            None => {}
            Some(Value::String(issuer)) if issuer == ours => {}
            Some(Value::String(_)) => return Err(VerifyError::UnknownIssuer),
            Some(_) => return Err(VerifyError::Malformed { claim: Claim::Issuer }),
        }
        if claims.get("token_type").is_some_and(|it| !is_bearer(it)) {
            return Err(VerifyError::WrongType { claim: "token_type" });
        }
        check::kind(None, claims, trusted)?;
        check::audience(claims, trusted)?;
        let window = Window::read_or(claims, end)?;
        window.check(now, trusted.leeway)?;
        Ok(window)
    }

    async fn send(&self, token: &str) -> Result<Bytes, Fault> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token)
            .append_pair("token_type_hint", "access_token")
            .finish();
        let request = Request::post(self.endpoint.as_str())
            .header(AUTHORIZATION, &self.authorization)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(form));
        let request = request.map_err(|_| Fault::Malformed)?;
        let timeout = self.timeout;
        let limits = Limits { timeout, max_bytes: MAX_BYTES, reach: Reach::ANYWHERE };
        let sent = self.transport.send(request, limits).await;
        let answer = sent.map_err(Fault::Transport)?;
        match answer.status() {
            StatusCode::OK => Ok(answer.into_body()),
            status => Err(Fault::Status(status)),
        }
    }
}

impl IntrospectionBuilder {
    /// An audience, one of which a token must be for.
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.trusted = self.trusted.with_audience(audience);
        self
    }

    /// The kind of issuer. [`Profile::generic`] by default.
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.trusted = self.trusted.with_profile(profile);
        self
    }

    /// Claims that are elsewhere than the profile says.
    pub fn with_claim_map(mut self, map: ClaimMap) -> Self {
        self.trusted = self.trusted.with_claim_map(map);
        self
    }

    /// How long a good answer is kept. A minute by default: a token that the issuer revokes is accepted for so
    /// long.
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// How long a refusal is kept. 10 seconds by default; zero keeps none, and then whoever has a token that is not
    /// active makes us ask as often as he likes.
    pub fn with_refusal_lifetime(mut self, lifetime: Duration) -> Self {
        self.refusal_lifetime = lifetime;
        self
    }

    /// How long a question may take. 5 seconds by default.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many questions may be open at a time. 32 by default.
    pub fn with_most_open(mut self, most_open: usize) -> Self {
        self.most_open = most_open;
        self
    }

    /// The introspection, over any transport.
    ///
    /// # Errors
    ///
    /// When no token could be asked about safely under these terms.
    pub fn build_with(
        self,
        transport: Arc<dyn Transport>,
    ) -> Result<Introspection, IntrospectionError> {
        let endpoint = secure_url(&self.endpoint).ok_or(IntrospectionError::Endpoint)?;
        let inner = Inner {
            trusted: self.trusted.build().map_err(IntrospectionError::Issuer)?,
            endpoint,
            authorization: basic(&self.client_id, &self.client_secret),
            transport,
            lifetime: self.lifetime,
            timeout: self.timeout,
            most_open: self.most_open,
            open: Arc::default(),
            refused: Refusals::new(self.refusal_lifetime.as_secs()),
        };
        Ok(Introspection { inner: Arc::new(inner) })
    }
}

/// RFC 6749, section 2.3.1: both form-encoded first.
fn basic(id: &str, secret: &SecretString) -> HeaderValue {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(id), encode(secret.expose_secret()));
    let basic = format!("Basic {}", STANDARD.encode(pair));
    // Base64 is always a header value; an empty one is refused by the issuer.
    let mut value = HeaderValue::try_from(basic).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// A URL that a secret may be sent to.
pub(super) fn secure_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let loopback = match url.host()? {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => name == "localhost",
    };
    let secure = url.scheme() == "https" || (url.scheme() == "http" && loopback);
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (secure && plain).then_some(url)
}

/// RFC 6750, section 2.1: what a bearer token is written with.
fn check_token(token: &str) -> Result<(), VerifyError> {
    let max = super::MAX_TOKEN_LEN;
    if token.len() > max {
        return Err(VerifyError::TooLong { max });
    }
    let body = token.trim_end_matches('=');
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    if body.is_empty() || !body.bytes().all(fits) { Err(VerifyError::NotCompact) } else { Ok(()) }
}

fn is_bearer(value: &Value<'_>) -> bool {
    value.as_str().is_some_and(|kind| {
        kind.eq_ignore_ascii_case("bearer") || kind.eq_ignore_ascii_case("access_token")
    })
}

/// An issuer of opaque tokens signs nothing.
#[derive(Debug)]
struct NoKeys;

#[derive(Debug, thiserror::Error)]
#[error("an issuer of opaque tokens has no keys")]
struct SignsNothing;

#[async_trait]
impl KeySource for NoKeys {
    fn current(&self) -> Option<Arc<KeySet>> {
        None
    }

    async fn refresh(&self, _: Option<Generation>) -> Result<Arc<KeySet>, KeysUnavailable> {
        Err(KeysUnavailable::new(SignsNothing))
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection")
            .field("issuer", &self.inner.trusted.issuer)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for IntrospectionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionBuilder")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}
