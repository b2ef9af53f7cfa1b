//! A host in front of us that authenticates users itself and has no token to pass on.

mod peers;

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use bonafide_claims::dangerous::ToldUser;
use bonafide_claims::{GroupName, Issuer, NameSet, Subject, UserId, VerifiedUser};
use http::{HeaderMap, HeaderName};
use secrecy::{ExposeSecret, SecretString};

use super::authenticator::{AuthenticateError, only};
pub use peers::{Peer, PeerRange, PeerRangeError};

/// How long a user is believed to be the user. Each request says it again, so this only ends streams.
const LIFETIME: Duration = Duration::from_secs(300);

/// The shortest secret, in bytes.
const SHORTEST: usize = 32;

/// A host in front of us that says in headers who the user is. For those who have nothing better: it sends a shared
/// secret with each request, and must come from an address on a list.
///
/// ```
/// use bonafide_tower::{HopError, TrustedHop};
/// use http::HeaderName;
///
/// let hop = |secret: &str| {
///     TrustedHop::builder("corporate-proxy".parse().unwrap(), HeaderName::from_static("x-hop-secret"), secret.into())
///         .with_subject(HeaderName::from_static("x-forwarded-user"))
///         .with_peer("10.0.0.7".parse().unwrap())
/// };
/// assert!(hop("thirty-two random bytes, at the least").build().is_ok());
/// assert_eq!(hop("short").build().unwrap_err(), HopError::ShortSecret);
/// ```
///
/// # Security
///
/// Weaker than a token: whoever learns the secret and can connect from such an address can be any user, and nothing in
/// the request says whom it was meant for. The host must remove these headers from what clients send it. Users who
/// came this way have the [assurance](bonafide_claims::VerifiedUser::assurance)
/// [`TrustedHop`](bonafide_claims::Assurance::TrustedHop), and the hop's own name as their issuer, so a policy can
/// refuse them: give it a name that is no issuer of tokens.
#[derive(Clone)]
pub struct TrustedHop {
    issuer: Issuer,
    secret_header: HeaderName,
    /// Of the secret. Digests have one length, so comparing them tells nothing about the secret's.
    secret: Digest,
    subject: HeaderName,
    username: Option<HeaderName>,
    email: Option<HeaderName>,
    groups: Option<HeaderName>,
    peers: Box<[PeerRange]>,
}

/// Builds a [`TrustedHop`].
#[must_use]
pub struct TrustedHopBuilder {
    issuer: Issuer,
    secret_header: HeaderName,
    secret: SecretString,
    subject: Option<HeaderName>,
    username: Option<HeaderName>,
    email: Option<HeaderName>,
    groups: Option<HeaderName>,
    peers: Vec<PeerRange>,
}

/// Terms under which a hop cannot be told from a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HopError {
    /// The secret can be guessed.
    #[error("the secret of the trusted hop is shorter than {SHORTEST} bytes")]
    ShortSecret,
    /// Any address would do.
    #[error("the trusted hop has no address: name at least one that it connects from")]
    NoPeer,
    /// Nothing says who the user is.
    #[error("the trusted hop has no header that says who the user is")]
    NoSubject,
    /// Two things in one header.
    #[error("the trusted hop has one header for two things")]
    SharedHeader,
}

impl TrustedHop {
    /// The name under which its users are known, the header that holds the secret, and the secret.
    pub fn builder(
        issuer: Issuer,
        secret_header: HeaderName,
        secret: SecretString,
    ) -> TrustedHopBuilder {
        TrustedHopBuilder {
            issuer,
            secret_header,
            secret,
            subject: None,
            username: None,
            email: None,
            groups: None,
            peers: Vec::new(),
        }
    }

    /// The name under which its users are known.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// All headers that it speaks in.
    pub(super) fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        let others = [&self.username, &self.email, &self.groups];
        [&self.secret_header, &self.subject].into_iter().chain(others.into_iter().flatten())
    }

    /// The user, if this request came over the hop at all.
    pub(super) fn user(
        &self,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
    ) -> Result<Option<VerifiedUser>, AuthenticateError> {
        let Some(secret) = only(headers, &self.secret_header)? else { return Ok(None) };
        let known = peer.is_some_and(|peer| self.peers.iter().any(|range| range.contains(peer)));
        let given = digest(&SHA256, secret.as_bytes());
        let same = verify_slices_are_equal(given.as_ref(), self.secret.as_ref()).is_ok();
        if !(known && same) {
            return Err(AuthenticateError::NotTheHop);
        }
        self.told(headers).map(Some)
    }

    fn told(&self, headers: &HeaderMap) -> Result<VerifiedUser, AuthenticateError> {
        const NO_USER: AuthenticateError =
            AuthenticateError::Malformed("the trusted hop does not say who the user is");
        let subject: Subject =
            text(headers, &self.subject)?.and_then(|text| text.parse().ok()).ok_or(NO_USER)?;
        let id = UserId::new(self.issuer.clone(), None, subject);
        let mut user = ToldUser::new(id, SystemTime::now() + LIFETIME);
        let optional = |name: &Option<HeaderName>| match name {
            Some(name) => text(headers, name),
            None => Ok(None),
        };
        if let Some(username) = optional(&self.username)? {
            user = user.with_username(username);
        }
        if let Some(email) = optional(&self.email)? {
            user = user.with_email(email);
        }
        if let Some(groups) = optional(&self.groups)? {
            user = user.with_groups(names(groups)?);
        }
        Ok(user.believe())
    }
}

/// What a header says. One that is there twice may have been sent by the client too.
fn text<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h str>, AuthenticateError> {
    let value = only(headers, name)?;
    let unreadable =
        |_| AuthenticateError::Malformed("a header of the trusted hop is not plain text");
    value.map(|value| value.to_str().map(str::trim).map_err(unreadable)).transpose()
}

/// Names with commas between them.
fn names(list: &str) -> Result<NameSet<GroupName>, AuthenticateError> {
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    let names: Result<NameSet<GroupName>, _> = names
        .map(str::parse)
        .collect::<Result<Vec<_>, _>>()
        .map(|names| names.into_iter().collect());
    names
        .map_err(|_| AuthenticateError::Malformed("the trusted hop names a group that can be none"))
}

impl TrustedHopBuilder {
    /// The header that says who the user is: an id that is never given to anybody else.
    pub fn with_subject(mut self, header: HeaderName) -> Self {
        self.subject = Some(header);
        self
    }

    /// The header with the user name.
    pub fn with_username(mut self, header: HeaderName) -> Self {
        self.username = Some(header);
        self
    }

    /// The header with the e-mail address.
    pub fn with_email(mut self, header: HeaderName) -> Self {
        self.email = Some(header);
        self
    }

    /// The header with the groups, commas between them. Where it is missing, the groups are unknown.
    pub fn with_groups(mut self, header: HeaderName) -> Self {
        self.groups = Some(header);
        self
    }

    /// An address that the hop connects from. At least one is needed.
    pub fn with_peer(mut self, peer: PeerRange) -> Self {
        self.peers.push(peer);
        self
    }

    /// The hop on these terms.
    ///
    /// # Errors
    ///
    /// If anybody could pass for it, or nobody.
    pub fn build(self) -> Result<TrustedHop, HopError> {
        let secret = self.secret.expose_secret().as_bytes();
        if secret.len() < SHORTEST {
            return Err(HopError::ShortSecret);
        }
        if self.peers.is_empty() {
            return Err(HopError::NoPeer);
        }
        let hop = TrustedHop {
            issuer: self.issuer,
            secret_header: self.secret_header,
            secret: digest(&SHA256, secret),
            subject: self.subject.ok_or(HopError::NoSubject)?,
            username: self.username,
            email: self.email,
            groups: self.groups,
            peers: self.peers.into(),
        };
        // The user name may well be the id.
        let names: Vec<&HeaderName> = hop.headers().collect();
        let shares_secret = names.iter().skip(1).any(|name| **name == hop.secret_header);
        let takes_token = names.contains(&&http::header::AUTHORIZATION);
        if shares_secret || takes_token { Err(HopError::SharedHeader) } else { Ok(hop) }
    }
}

impl fmt::Debug for TrustedHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedHop")
            .field("issuer", &self.issuer)
            .field("peers", &self.peers)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TrustedHopBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedHopBuilder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
