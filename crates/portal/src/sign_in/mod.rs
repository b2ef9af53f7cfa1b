//! Sign-in for browsers: OpenID Connect Core, the authorization code flow with PKCE (RFC 7636).

mod error;
mod flow;
mod pending;
mod provider;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bonafide_claims::{Issuer, TrustedIssuer, VerifiedUser, Verifier, VerifyError};
use bonafide_jwks::{Clock, ReqwestTransport, Transport};
use secrecy::SecretString;
use url::Url;

pub use error::SignInConfigError;
pub(crate) use error::SignInError;
pub(crate) use flow::Answer;
pub(crate) use pending::Pending;
use provider::Provider;

/// How users sign in to the pages: at which issuer, as which client, and for how long.
///
/// Cloning costs a reference count.
///
/// ```
/// use std::sync::Arc;
/// use bonafide_claims::TrustedIssuer;
/// use bonafide_jwks::RemoteKeys;
/// use bonafide_portal::{SignIn, SignInConfigError};
///
/// let keys = Arc::new(RemoteKeys::discover("https://idp.example.com").build()?);
/// let issuer = TrustedIssuer::builder("https://idp.example.com".parse()?, keys)
///     .with_audience("api://bonafide")
///     .build()?;
/// SignIn::builder(issuer.clone(), "bonafide").build()?;
///
/// let nobody = SignIn::builder(issuer, "").build();
/// assert!(matches!(nobody, Err(SignInConfigError::Client(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SignIn {
    inner: Arc<Inner>,
}

struct Inner {
    provider: Provider,
    terms: Terms,
    /// In seconds.
    idle: u64,
    /// In seconds.
    absolute: u64,
}

/// The issuer's tokens by which a session may know its user.
struct Terms {
    id: TrustedIssuer,
    access: TrustedIssuer,
}

/// Which of the issuer's tokens a session rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// The ID token that the sign-in brought.
    Id,
    /// The access token that came with it, which is the same as one for the gateway.
    Access,
}

/// Builds a [`SignIn`].
#[derive(Debug)]
#[must_use]
pub struct SignInBuilder {
    trusted: TrustedIssuer,
    client_id: String,
    client_secret: Option<SecretString>,
    scopes: String,
    resource: Option<String>,
    idle: Duration,
    absolute: Duration,
    transport: Arc<dyn Transport>,
}

impl SignIn {
    /// The issuer, on the terms on which the gateway accepts its access tokens, and the client that it knows the
    /// portal as.
    pub fn builder(trusted: TrustedIssuer, client_id: impl Into<String>) -> SignInBuilder {
        SignInBuilder {
            trusted,
            client_id: client_id.into(),
            client_secret: None,
            scopes: "openid profile email".to_owned(),
            resource: None,
            idle: Duration::from_secs(30 * 60),
            absolute: Duration::from_secs(8 * 60 * 60),
            transport: Arc::new(ReqwestTransport),
        }
    }

    /// The issuer that users sign in at.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        self.inner.terms.id.issuer()
    }

    pub(crate) fn idle(&self) -> u64 {
        self.inner.idle
    }

    pub(crate) fn absolute(&self) -> u64 {
        self.inner.absolute
    }

    /// The user of a token, as it was at a time.
    ///
    /// A session outlives its token. What it rests on is checked again with each request, signature and all, as of the
    /// moment when the user signed in; `then` comes out of a sealed cookie, where the portal itself wrote it. The
    /// limits of the session stand in for `exp`.
    ///
    /// # Errors
    ///
    /// When the token is not good: among others when the issuer has withdrawn the key that signed it.
    pub(crate) async fn user(
        &self,
        evidence: Evidence,
        token: &str,
        then: SystemTime,
    ) -> Result<VerifiedUser, VerifyError> {
        let terms = &self.inner.terms;
        let trusted = match evidence {
            Evidence::Id => &terms.id,
            Evidence::Access => &terms.access,
        };
        let verifier = Verifier::builder()
            .with_issuer(trusted.clone())
            .with_clock(Arc::new(Fixed(then)))
            .with_cached_tokens(0)
            .build();
        match verifier {
            Ok(verifier) => verifier.verify(token).await,
            // There is one issuer, and that is all that a verifier needs.
            Err(_) => Err(VerifyError::UnknownIssuer),
        }
    }
}

impl SignInBuilder {
    /// The secret of a confidential client. Sent by `client_secret_basic`, or by `client_secret_post` where the issuer
    /// knows only that. Without, the portal is a public client, which PKCE is enough for.
    pub fn with_client_secret(mut self, secret: SecretString) -> Self {
        self.client_secret = Some(secret);
        self
    }

    /// The scopes to ask for. Default: `openid`, `profile`, `email`. `openid` is asked for in any case.
    pub fn with_scopes<'a>(mut self, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        let wanted = scopes.into_iter().filter(|scope| *scope != "openid");
        self.scopes = ["openid"].into_iter().chain(wanted).collect::<Vec<_>>().join(" ");
        self
    }

    /// The resource to ask an access token for (RFC 8707): the audience that the gateway wants.
    ///
    /// If the sign-in brings an access token that the gateway would accept, for the same user, then the session rests on
    /// that one: the policy decides on the very claims that a call of the user has. Without it, the session rests on
    /// the ID token, and the issuer must put the groups into that.
    pub fn with_resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// After how long without a request a session ends. Default: 30 minutes.
    pub fn with_idle_limit(mut self, limit: Duration) -> Self {
        self.idle = limit;
        self
    }

    /// After how long a session ends in any case. Default: 8 hours. What the issuer said about the user's groups when
    /// they signed in is believed until then.
    pub fn with_session_limit(mut self, limit: Duration) -> Self {
        self.absolute = limit;
        self
    }

    /// How the issuer is reached. Default: `reqwest`.
    pub fn with_transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = transport;
        self
    }

    /// Checks it. Nothing is fetched yet, so a dead issuer keeps no program from starting.
    ///
    /// # Errors
    ///
    /// When users could not be signed in safely under these terms.
    pub fn build(self) -> Result<SignIn, SignInConfigError> {
        let id = self.trusted.for_id_tokens(&self.client_id).map_err(SignInConfigError::Client)?;
        if self.idle > self.absolute || self.idle < Duration::from_secs(60) {
            return Err(SignInConfigError::Limits);
        }
        if self.absolute > Duration::from_secs(24 * 60 * 60) {
            return Err(SignInConfigError::Limits);
        }
        let provider = Provider::new(
            id.issuer().as_str(),
            provider::Client {
                id: self.client_id,
                secret: self.client_secret,
                scopes: self.scopes,
                resource: self.resource,
            },
            self.transport,
        )?;
        let terms = Terms { id, access: self.trusted };
        let (idle, absolute) = (self.idle.as_secs(), self.absolute.as_secs());
        Ok(SignIn { inner: Arc::new(Inner { provider, terms, idle, absolute }) })
    }
}

/// Shows the issuer and the client.
impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn").field("issuer", self.issuer()).finish_non_exhaustive()
    }
}

/// A clock that stands still.
#[derive(Debug)]
struct Fixed(SystemTime);

impl Clock for Fixed {
    fn now(&self) -> SystemTime {
        self.0
    }
}

/// Whether a URL of the issuer may be used: `https`, or `http` on loopback, and never less than the issuer itself.
fn usable(url: &Url) -> bool {
    let plain = url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none();
    plain && (url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url)))
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
