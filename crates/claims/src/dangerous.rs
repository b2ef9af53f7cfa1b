//! Users for whom no issuer vouches.
//!
//! Everything else in this crate rests on what an issuer signed or said. What is in here rests on somebody's word, so
//! the users it makes say so: [`VerifiedUser::assurance`] is [`Assurance::TrustedHop`].

use std::fmt;
use std::sync::OnceLock;
use std::time::SystemTime;

use crate::ids::{GroupName, UserId};
use crate::names::{Groups, NameSet, UnknownGroups};
use crate::user::{Assurance, TokenKind, Verified, VerifiedUser};

/// What a host in front of us says about a user whom it has authenticated itself.
///
/// ```
/// use std::time::SystemTime;
///
/// use bonafide_claims::dangerous::ToldUser;
/// use bonafide_claims::{Assurance, UserId};
///
/// let id = UserId::new("corporate-proxy".parse()?, None, "ada".parse()?);
/// let user = ToldUser::new(id, SystemTime::now()).with_username("ada").believe();
/// assert_eq!(user.assurance(), Assurance::TrustedHop);
/// assert!(user.groups().known().is_none(), "nobody said anything about groups");
/// # Ok::<(), bonafide_claims::IdError>(())
/// ```
///
/// # Security
///
/// Whoever calls this must have made sure that it was that host who spoke. `TrustedHop` of `bonafide-tower` does.
/// The issuer in the id must be a name that no issuer of tokens has: otherwise the host could speak for its users.
#[must_use = "nobody believes it until `believe` is called"]
pub struct ToldUser(Verified);

impl ToldUser {
    /// Who it is said to be, and until when that is to be believed.
    pub fn new(id: UserId, expires_at: SystemTime) -> Self {
        let since_epoch = expires_at.duration_since(SystemTime::UNIX_EPOCH);
        Self(Verified {
            id,
            kind: TokenKind::Access,
            assurance: Assurance::TrustedHop,
            username: None,
            email: None,
            name: None,
            groups: Groups::Unknown(UnknownGroups::Absent),
            roles: NameSet::default(),
            scopes: NameSet::default(),
            client_id: None,
            expires_at: since_epoch.map_or(0, |since| since.as_secs()),
            payload: Box::from(*b"{}"),
            claims: OnceLock::new(),
        })
    }

    /// The user name, for display and for templates.
    pub fn with_username(mut self, username: &str) -> Self {
        self.0.username = Some(username.into());
        self
    }

    /// The e-mail address, for display and for templates.
    pub fn with_email(mut self, email: &str) -> Self {
        self.0.email = Some(email.into());
        self
    }

    /// The groups: exactly these. Without, they are unknown.
    pub fn with_groups(mut self, groups: NameSet<GroupName>) -> Self {
        self.0.groups = Groups::Known(groups);
        self
    }

    /// Takes it for true.
    #[must_use]
    pub fn believe(self) -> VerifiedUser {
        VerifiedUser::new(self.0)
    }
}

/// Shows nothing of the user.
impl fmt::Debug for ToldUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToldUser").field("issuer", self.0.id.issuer()).finish_non_exhaustive()
    }
}
