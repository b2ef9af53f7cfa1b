//! The proof that a request was sent by a known user.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use crate::ids::{Issuer, RoleName, Scope, Subject, UserId};
use crate::names::{Groups, NameSet};

/// A user whose token was verified: signature, issuer, audience, time window and token type.
///
/// Cloning costs a reference count. There is no public constructor, no `Default` and no `Deserialize`, so
/// a function that takes a `VerifiedUser` need not ask whether the caller was authenticated. The one way around a
/// token is called [`dangerous`](crate::dangerous), and leaves its mark: [`assurance`](Self::assurance).
///
/// ```compile_fail
/// use bonafide_claims::VerifiedUser;
/// let forged = VerifiedUser { inner: unreachable!() };
/// ```
///
/// ```compile_fail
/// let forged = bonafide_claims::VerifiedUser::default();
/// ```
///
/// ```compile_fail
/// let forged: bonafide_claims::VerifiedUser = serde_json::from_str("{}").unwrap();
/// ```
///
/// # Security
///
/// [`id`](Self::id) is who the user is. [`username`](Self::username), [`email`](Self::email) and
/// [`name`](Self::name) are for display: an issuer may give them to somebody else tomorrow.
#[derive(Clone)]
pub struct VerifiedUser {
    inner: Arc<Verified>,
}

/// What a verification found out. Made by the verifier alone.
pub(crate) struct Verified {
    pub(crate) id: UserId,
    pub(crate) kind: TokenKind,
    pub(crate) assurance: Assurance,
    pub(crate) username: Option<Box<str>>,
    pub(crate) email: Option<Box<str>>,
    pub(crate) name: Option<Box<str>>,
    pub(crate) groups: Groups,
    pub(crate) roles: NameSet<RoleName>,
    pub(crate) scopes: NameSet<Scope>,
    pub(crate) client_id: Option<Box<str>>,
    /// Seconds since the Unix epoch.
    pub(crate) expires_at: u64,
    /// The payload as it was signed; parsed only for those who ask for more than the fields above.
    pub(crate) payload: Box<[u8]>,
    pub(crate) claims: OnceLock<Map<String, Value>>,
}

/// What a token was issued for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TokenKind {
    /// An access token: it says that its bearer may call us (RFC 9068 where the issuer follows it).
    #[default]
    Access,
    /// An ID token: it says who signed in at a client (OpenID Connect Core, section 2).
    Id,
}

/// Who vouches for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Assurance {
    /// The issuer: it signed the token, or said itself that the token is active (RFC 7662).
    Issuer,
    /// A host between the user and us, by its word. Weaker: nobody signed anything, and whoever takes over that host
    /// or learns its secret can be everybody.
    TrustedHop,
}

impl VerifiedUser {
    pub(crate) fn new(verified: Verified) -> Self {
        Self { inner: Arc::new(verified) }
    }

    /// Who this is: issuer, directory where there are several, subject.
    #[must_use]
    pub fn id(&self) -> &UserId {
        &self.inner.id
    }

    /// Whether the two are the very same proof, not only of the same user: what a cache asks before it uses what followed
    /// from one of them.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// The issuer that signed the token.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        self.inner.id.issuer()
    }

    /// The user within the issuer.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        self.inner.id.subject()
    }

    /// What the token was issued for.
    #[must_use]
    pub fn token_kind(&self) -> TokenKind {
        self.inner.kind
    }

    /// Who vouches for the user. The issuer, unless a trusted hop was set up on purpose.
    #[must_use]
    pub fn assurance(&self) -> Assurance {
        self.inner.assurance
    }

    /// The user name, for display and for templates. May be reassigned: not an id.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.inner.username.as_deref()
    }

    /// The e-mail address, for display and for templates. May be reassigned: not an id.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        self.inner.email.as_deref()
    }

    /// The user's name as people write it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.inner.name.as_deref()
    }

    /// The groups that the issuer says the user is in, or why they are not known.
    #[must_use]
    pub fn groups(&self) -> &Groups {
        &self.inner.groups
    }

    /// The roles that the issuer gave the user.
    #[must_use]
    pub fn roles(&self) -> &NameSet<RoleName> {
        &self.inner.roles
    }

    /// The scopes of the token.
    #[must_use]
    pub fn scopes(&self) -> &NameSet<Scope> {
        &self.inner.scopes
    }

    /// The client that the token was issued to (`client_id`, `azp` or `appid`), where the token says so.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.inner.client_id.as_deref()
    }

    /// The token's `exp`. The verifier's leeway is not included.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        let since_epoch = Duration::from_secs(self.inner.expires_at);
        SystemTime::UNIX_EPOCH.checked_add(since_epoch).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// All claims of the verified token. Parsed at the first call and kept.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        // The verifier parsed this very payload, strictly, before it made the user: an empty map is what a
        // bug would give, and an empty map grants nothing.
        self.inner
            .claims
            .get_or_init(|| serde_json::from_slice(&self.inner.payload).unwrap_or_default())
    }
}

/// Shows the issuer and how much is known, never what a claim says.
impl fmt::Debug for VerifiedUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedUser")
            .field("issuer", self.issuer())
            .field("kind", &self.inner.kind)
            .field("assurance", &self.inner.assurance)
            .field("groups", &self.inner.groups)
            .field("roles", &self.inner.roles)
            .field("scopes", &self.inner.scopes)
            .finish_non_exhaustive()
    }
}
