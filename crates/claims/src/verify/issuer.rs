//! An issuer whose tokens are accepted, and on which terms.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bonafide_jwks::{Algorithm, KeySource};

use super::claim_map::ClaimMap;
use super::profile::{IssuerRule, Profile};
use super::resolver::GroupResolver;
use crate::ids::Issuer;
use crate::user::TokenKind;

/// An issuer whose tokens are accepted, and on which terms. Its keys are its own: no other issuer's token is
/// ever checked with them.
#[derive(Debug, Clone)]
pub struct TrustedIssuer {
    pub(super) issuer: Issuer,
    pub(super) keys: Arc<dyn KeySource>,
    pub(super) audiences: Box<[Box<str>]>,
    pub(super) algorithms: Box<[Algorithm]>,
    pub(super) profile: Profile,
    pub(super) kind: TokenKind,
    /// In seconds.
    pub(super) leeway: u64,
    pub(super) resolver: Option<Arc<dyn GroupResolver>>,
}

/// Builds a [`TrustedIssuer`].
#[must_use]
pub struct TrustedIssuerBuilder {
    issuer: Issuer,
    keys: Arc<dyn KeySource>,
    audiences: Vec<Box<str>>,
    algorithms: Option<Vec<Algorithm>>,
    profile: Profile,
    kind: Option<TokenKind>,
    leeway: Duration,
    map: ClaimMap,
    resolver: Option<Arc<dyn GroupResolver>>,
}

/// Terms under which no token can be verified safely.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No audience: a token for any other service of the issuer would be accepted.
    #[error("no audience for issuer `{issuer}`: name at least one with `with_audience`")]
    NoAudience {
        /// Of which issuer.
        issuer: Issuer,
    },
    /// An audience is empty.
    #[error("an audience of issuer `{issuer}` is empty: write what its tokens have in `aud`")]
    EmptyAudience {
        /// Of which issuer.
        issuer: Issuer,
    },
    /// No algorithm.
    #[error("no algorithm for issuer `{issuer}`: name at least one, or leave the list out")]
    NoAlgorithm {
        /// Of which issuer.
        issuer: Issuer,
    },
    /// Algorithms for public keys and for shared secrets together (RFC 8725, section 3.1).
    #[error(
        "issuer `{issuer}` has algorithms for public keys and for shared secrets: choose one kind"
    )]
    MixedAlgorithms {
        /// Of which issuer.
        issuer: Issuer,
    },
    /// The leeway is longer than [`MAX_LEEWAY`].
    #[error("the leeway for issuer `{issuer}` is over {} s: set the clocks instead", MAX_LEEWAY.as_secs())]
    Leeway {
        /// Of which issuer.
        issuer: Issuer,
    },
    /// The profile for several directories needs `{tenantid}` in the issuer and a list of directories; no
    /// other profile takes it.
    #[error(
        "issuer `{issuer}`: `{{tenantid}}` and a list of directories go together, with the profile `entra_directories`"
    )]
    Directories {
        /// Of which issuer.
        issuer: Issuer,
    },
    /// No issuer is trusted, so no token could ever be accepted.
    #[error("no issuer is trusted: name at least one with `with_issuer`")]
    NoIssuer,
    /// An issuer stands twice.
    #[error("issuer `{issuer}` stands twice: give it all its audiences at once")]
    RepeatedIssuer {
        /// Which.
        issuer: Issuer,
    },
}

/// What stands for the directory in the issuer of several.
pub(super) const DIRECTORY: &str = "{tenantid}";

fn is_url(name: &str) -> bool {
    name.starts_with("https://") || name.starts_with("http://")
}

/// The longest leeway.
pub const MAX_LEEWAY: Duration = Duration::from_secs(300);

impl TrustedIssuer {
    /// An issuer and its keys.
    pub fn builder(issuer: Issuer, keys: Arc<dyn KeySource>) -> TrustedIssuerBuilder {
        TrustedIssuerBuilder {
            issuer,
            keys,
            audiences: Vec::new(),
            algorithms: None,
            profile: Profile::generic(),
            kind: None,
            leeway: Duration::from_secs(60),
            map: ClaimMap::new(),
            resolver: None,
        }
    }

    /// What its tokens have in `iss`.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Where clients get such tokens: the authorization servers of RFC 9728, section 2, each by its issuer identifier (RFC
    /// 8414, section 2). Of an issuer that stands for several directories, each of them. None where tokens are made from a
    /// shared secret, or the issuer is no URL.
    #[must_use]
    pub fn authorization_servers(&self) -> Vec<Issuer> {
        let rules = &self.profile.rules;
        if rules.shared_secret {
            return Vec::new();
        }
        let name = self.issuer.as_str();
        let server = |name: &str| name.parse().ok().filter(|_| is_url(name));
        match &rules.issuer {
            IssuerRule::EntraDirectories(allowed) => {
                let names = allowed.iter().map(|it| name.replace(DIRECTORY, it.as_str()));
                names.filter_map(|name| server(&name)).collect()
            }
            // One issuer, whichever of its spellings is configured.
            IssuerRule::Also(others) => {
                let names = std::iter::once(name).chain(others.iter().copied());
                names.filter_map(server).take(1).collect()
            }
            IssuerRule::Exact | IssuerRule::Entra => server(name).into_iter().collect(),
        }
    }

    /// The audiences, one of which a token must be for.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        self.audiences.iter().map(|audience| &**audience)
    }

    /// What its tokens must be issued for.
    #[must_use]
    pub fn token_kind(&self) -> TokenKind {
        self.kind
    }

    /// The same issuer on the same terms, for the ID tokens that it issues to `client_id` when a user signs in
    /// there (OpenID Connect Core, section 2). The user of such a token has the same
    /// [id](crate::VerifiedUser::id) as the user of an access token.
    ///
    /// # Errors
    ///
    /// When `client_id` is empty.
    pub fn for_id_tokens(&self, client_id: &str) -> Result<Self, BuildError> {
        let audiences: [Box<str>; 1] = [client_id.into()];
        check_audiences(&self.issuer, &audiences, true)?;
        Ok(Self { audiences: audiences.into(), kind: TokenKind::Id, ..self.clone() })
    }

    /// Its keys.
    #[must_use]
    pub fn keys(&self) -> &Arc<dyn KeySource> {
        &self.keys
    }
}

impl TrustedIssuerBuilder {
    /// An audience, one of which a token must be for: our own name at the issuer. Compared byte for byte.
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into().into());
        self
    }

    /// The kind of issuer. [`Profile::generic`] by default.
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// The algorithms that its tokens may be signed with. By default all for public keys, or HS256 for
    /// profiles with a shared secret.
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// What its tokens must be issued for. Access tokens by default; ID tokens for [`Profile::google`].
    pub fn with_token_kind(mut self, kind: TokenKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// How far the issuer's clock and ours may be apart. 60 seconds by default, at most [`MAX_LEEWAY`].
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Claims that are elsewhere than the profile says.
    pub fn with_claim_map(mut self, map: ClaimMap) -> Self {
        self.map = map;
        self
    }

    /// Whom to ask for the groups of a user who is in more than the token can hold. Without, they are
    /// [unknown](crate::UnknownGroups::Overage).
    ///
    /// Verification waits for the answer then, and never fails because of it: groups that could not be looked
    /// up are [unknown](crate::UnknownGroups::Unresolved).
    pub fn with_group_resolver(mut self, resolver: Arc<dyn GroupResolver>) -> Self {
        self.resolver = Some(resolver);
        self
    }

    /// The issuer on these terms.
    ///
    /// # Errors
    ///
    /// When no token could be verified safely under them.
    pub fn build(self) -> Result<TrustedIssuer, BuildError> {
        let mut profile = self.profile;
        let algorithms = self.algorithms.unwrap_or_else(|| profile.default_algorithms());
        let issuer = self.issuer;
        check_audiences(&issuer, &self.audiences, profile.rules.audience)?;
        check_algorithms(&issuer, &algorithms)?;
        check_directories(&issuer, &profile.rules.issuer)?;
        if self.leeway > MAX_LEEWAY {
            return Err(BuildError::Leeway { issuer });
        }
        self.map.apply(&mut profile.map);
        Ok(TrustedIssuer {
            issuer,
            keys: self.keys,
            audiences: self.audiences.into(),
            algorithms: algorithms.into(),
            kind: self.kind.unwrap_or(profile.rules.kind),
            profile,
            leeway: self.leeway.as_secs(),
            resolver: self.resolver,
        })
    }
}

fn check_audiences(
    issuer: &Issuer,
    audiences: &[Box<str>],
    required: bool,
) -> Result<(), BuildError> {
    if audiences.is_empty() && required {
        return Err(BuildError::NoAudience { issuer: issuer.clone() });
    }
    if audiences.iter().any(|audience| audience.is_empty()) {
        return Err(BuildError::EmptyAudience { issuer: issuer.clone() });
    }
    Ok(())
}

fn check_algorithms(issuer: &Issuer, algorithms: &[Algorithm]) -> Result<(), BuildError> {
    let shared = algorithms.iter().filter(|algorithm| algorithm.is_shared()).count();
    if algorithms.is_empty() {
        return Err(BuildError::NoAlgorithm { issuer: issuer.clone() });
    }
    if shared != 0 && shared != algorithms.len() {
        return Err(BuildError::MixedAlgorithms { issuer: issuer.clone() });
    }
    Ok(())
}

fn check_directories(issuer: &Issuer, rule: &IssuerRule) -> Result<(), BuildError> {
    let template = issuer.as_str().matches(DIRECTORY).count();
    let fits = match rule {
        IssuerRule::EntraDirectories(allowed) => template == 1 && !allowed.is_empty(),
        _ => template == 0,
    };
    if fits { Ok(()) } else { Err(BuildError::Directories { issuer: issuer.clone() }) }
}

impl fmt::Debug for TrustedIssuerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedIssuerBuilder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
