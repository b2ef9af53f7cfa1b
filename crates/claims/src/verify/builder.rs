//! How to make a verifier.

use std::collections::HashMap;
use std::sync::Arc;

use bonafide_jwks::{Clock, SystemClock};

use super::cache::TokenCache;
use super::introspection::Introspection;
use super::issuer::{BuildError, DIRECTORY, TrustedIssuer};
use super::profile::IssuerRule;
use super::{Shared, Verifier};

/// Builds a [`Verifier`].
#[derive(Debug)]
#[must_use]
pub struct VerifierBuilder {
    issuers: Vec<TrustedIssuer>,
    clock: Arc<dyn Clock>,
    cached_tokens: usize,
    introspection: Option<Introspection>,
}

/// How many tokens are kept, unless said otherwise.
const CACHED_TOKENS: usize = 20_000;

impl VerifierBuilder {
    pub(super) fn new() -> Self {
        Self {
            issuers: Vec::new(),
            clock: Arc::new(SystemClock),
            cached_tokens: CACHED_TOKENS,
            introspection: None,
        }
    }

    /// An issuer whose tokens are accepted. At least one is needed, or an introspection endpoint.
    pub fn with_issuer(mut self, issuer: TrustedIssuer) -> Self {
        self.issuers.push(issuer);
        self
    }

    /// The clock. The operating system's by default.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How many verified tokens are kept: at most so many, rounded up to the next multiple of 16. 20,000 by
    /// default; 0 verifies every token each time.
    ///
    /// When there is no place for a new one, the one of 16 that was not used for longest makes room. A cached
    /// token costs its own length, its payload and its groups: about 6 KB where the token has 3. One that is
    /// longer than 8 KB is never kept. Give twice as much room as there are users at a time: then hardly any
    /// token has to make room for another.
    ///
    /// # Security
    ///
    /// A token is found only if it is the same from the first to the last byte, only as long as its issuer's
    /// keys are the same as when it was verified, and only within its own time window. A token of a key
    /// that the issuer withdrew is refused as soon as the key source knows.
    pub fn with_cached_tokens(mut self, tokens: usize) -> Self {
        self.cached_tokens = tokens;
        self
    }

    /// Whom to ask about tokens that are no JWTs. Without, they are refused.
    pub fn with_introspection(mut self, introspection: Introspection) -> Self {
        self.introspection = Some(introspection);
        self
    }

    /// The verifier.
    ///
    /// # Errors
    ///
    /// When no issuer is named, or one twice.
    pub fn build(self) -> Result<Verifier, BuildError> {
        let issuers = Issuers::new(self.issuers, self.introspection.is_some())?;
        let cache = (self.cached_tokens > 0).then(|| TokenCache::new(self.cached_tokens));
        Ok(Verifier {
            shared: Arc::new(Shared {
                issuers,
                clock: self.clock,
                cache,
                introspection: self.introspection,
            }),
        })
    }
}

/// The trusted issuers, found by what a token says in `iss`.
#[derive(Debug)]
pub(super) struct Issuers {
    all: Box<[TrustedIssuer]>,
    by_name: HashMap<Box<str>, usize>,
    templates: Box<[Template]>,
}

/// What stands before and after the directory.
#[derive(Debug)]
struct Template {
    before: Box<str>,
    after: Box<str>,
    at: usize,
}

impl Issuers {
    fn new(all: Vec<TrustedIssuer>, introspection: bool) -> Result<Self, BuildError> {
        if all.is_empty() && !introspection {
            return Err(BuildError::NoIssuer);
        }
        let (mut by_name, mut templates) = (HashMap::new(), Vec::new());
        for (at, trusted) in all.iter().enumerate() {
            for name in names(trusted) {
                if by_name.insert(Box::from(name), at).is_some_and(|other| other != at) {
                    return Err(BuildError::RepeatedIssuer { issuer: trusted.issuer.clone() });
                }
            }
            if let Some((before, after)) = trusted.issuer.as_str().split_once(DIRECTORY) {
                let template = Template { before: before.into(), after: after.into(), at };
                if all.iter().take(at).any(|other| other.issuer == trusted.issuer) {
                    return Err(BuildError::RepeatedIssuer { issuer: trusted.issuer.clone() });
                }
                templates.push(template);
            }
        }
        Ok(Self { all: all.into(), by_name, templates: templates.into() })
    }

    /// The issuer of that name. A name that fits a template finds its issuer, whatever directory it has in
    /// it; that is checked with the directory.
    pub(super) fn find(&self, name: &str) -> Option<(usize, &TrustedIssuer)> {
        let exact = || self.by_name.get(name).copied();
        let template = || {
            let fits = |it: &&Template| {
                name.len() > it.before.len() + it.after.len()
                    && name.starts_with(&*it.before)
                    && name.ends_with(&*it.after)
            };
            self.templates.iter().find(fits).map(|it| it.at)
        };
        let at = exact().or_else(template)?;
        Some((at, self.all.get(at)?))
    }

    pub(super) fn at(&self, at: usize) -> Option<&TrustedIssuer> {
        self.all.get(at)
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, TrustedIssuer> {
        self.all.iter()
    }
}

/// All names under which tokens may come. A template is none: a token that says `{tenantid}` says nothing.
fn names(trusted: &TrustedIssuer) -> Vec<&str> {
    let own = trusted.issuer.as_str();
    match &trusted.profile.rules.issuer {
        IssuerRule::Exact | IssuerRule::Entra => vec![own],
        IssuerRule::Also(also) => also.iter().copied().chain([own]).collect(),
        IssuerRule::EntraDirectories(_) => Vec::new(),
    }
}
