//! From a token to a user.

mod builder;
mod cache;
mod check;
mod claim_map;
mod claim_path;
mod compact;
mod error;
mod extract;
mod graph;
mod header;
mod introspection;
mod issuer;
mod profile;
mod resolver;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::SystemTime;

use bonafide_jwks::strict_json;
use bonafide_jwks::{Algorithm, Clock, KeySet, KeySource, NoKey};

pub use builder::VerifierBuilder;
pub use claim_map::ClaimMap;
pub use claim_path::{ClaimPath, PathError};
pub use compact::MAX_TOKEN_LEN;
pub use error::{Claim, VerifyError, VerifyErrorKind};
pub use graph::{GraphBuildError, GraphError, GraphGroups, GraphGroupsBuilder};
pub use introspection::{
    Introspection, IntrospectionBuilder, IntrospectionError, IntrospectionUnavailable,
};
pub use issuer::{BuildError, MAX_LEEWAY, TrustedIssuer, TrustedIssuerBuilder};
pub use profile::{Profile, UnknownProfile};
pub use resolver::{GroupResolver, GroupsUnavailable};

use crate::user::VerifiedUser;
use builder::Issuers;
use cache::{Hit, Key, Proof, TokenCache};
use check::Window;
use compact::Compact;
use header::Header;

/// Turns tokens into users, for one or more trusted issuers.
///
/// Cloning is cheap, and clones share everything.
#[derive(Debug, Clone)]
pub struct Verifier {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    issuers: Issuers,
    clock: Arc<dyn Clock>,
    cache: Option<TokenCache>,
    introspection: Option<Introspection>,
}

impl Verifier {
    /// Starts without any issuer.
    pub fn builder() -> VerifierBuilder {
        VerifierBuilder::new()
    }

    /// The issuers that are trusted, in the order in which they were named.
    pub fn issuers(&self) -> impl Iterator<Item = &TrustedIssuer> {
        self.shared.issuers.iter()
    }

    /// What [`verify`](Self::verify) says of a token that it verified a moment ago; `None` for any other, good or not.
    /// Nothing is fetched, and nobody is asked.
    ///
    /// For callers that have to look at a token before it may be verified, and be it only whether it is text: what was
    /// verified need not be looked at again.
    #[must_use]
    pub fn recall(&self, token: &[u8]) -> Option<Result<VerifiedUser, VerifyError>> {
        let shared = &*self.shared;
        let (cache, key) = shared.place(token)?;
        shared.recall(cache, key, seconds(shared.clock.now()))
    }

    /// Verifies a token.
    ///
    /// Waits only when the issuer's keys have to be fetched: for its first token, and for a key that we do
    /// not know yet. Otherwise the future is ready when it is first polled.
    ///
    /// # Errors
    ///
    /// When the token is not good, or when the keys that it needs cannot be fetched:
    /// [`VerifyError::kind`] tells the two apart.
    pub async fn verify(&self, token: &str) -> Result<VerifiedUser, VerifyError> {
        let shared = &*self.shared;
        let now = seconds(shared.clock.now());
        let place = shared.place(token.as_bytes());
        if let Some((cache, key)) = place
            && let Some(known) = shared.recall(cache, key, now)
        {
            return known;
        }
        let hit = match &shared.introspection {
            Some(introspection) if !is_jws(token) => introspection.ask(token, now).await?,
            _ => shared.first_sight(token, now).await?,
        };
        let user = hit.user.clone();
        if let Some((cache, key)) = place {
            cache.insert(key, hit, now);
        }
        Ok(user)
    }
}

impl Shared {
    /// Where the token is kept once it is verified, if it is.
    fn place<'t>(&self, token: &'t [u8]) -> Option<(&TokenCache, Key<'t>)> {
        let cache = self.cache.as_ref()?;
        Some((cache, cache.key(token)?))
    }

    fn recall(
        &self,
        cache: &TokenCache,
        key: Key<'_>,
        now: u64,
    ) -> Option<Result<VerifiedUser, VerifyError>> {
        self.still_good(cache.find(key, now)?, now)
    }

    /// What is known of a token from the last time, if that still holds.
    fn still_good(&self, hit: Hit, now: u64) -> Option<Result<VerifiedUser, VerifyError>> {
        let leeway = match hit.proof {
            Proof::Introspection => self.introspection.as_ref()?.leeway(),
            Proof::Key { issuer, generation } => {
                let trusted = self.issuers.at(issuer)?;
                if trusted.keys.current()?.generation() != generation {
                    return None;
                }
                trusted.leeway
            }
        };
        Some(hit.window.check(now, leeway).map(|()| hit.user))
    }

    async fn first_sight(&self, token: &str, now: u64) -> Result<Hit, VerifyError> {
        let compact = Compact::read(token)?;
        let header = Header::read(&compact.header)?;
        let claims = strict_json::parse(&compact.payload).map_err(|_| VerifyError::Payload)?;
        let issuer = check::text(&claims, Claim::Issuer)?;
        let (at, trusted) = self.issuers.find(issuer).ok_or(VerifyError::UnknownIssuer)?;
        if !trusted.algorithms.contains(&header.algorithm) {
            return Err(VerifyError::AlgorithmNotAllowed);
        }
        let kid = header.kid()?;
        let keys = keys_for(&*trusted.keys, kid, header.algorithm).await?;
        let candidates = keys.candidates(kid, header.algorithm).map_err(no_key)?;
        let key = candidates
            .verify(compact.signed, &compact.signature)
            .map_err(|_| VerifyError::BadSignature)?;
        check::kind(header.typ()?, &claims, trusted)?;
        check::audience(&claims, trusted)?;
        let window = Window::read(&claims)?;
        window.check(seconds(self.clock.now()), trusted.leeway)?;
        check::directory(issuer, &claims, key, trusted)?;
        let mut verified = extract::user(issuer, &claims, &window, trusted)?;
        drop(claims);
        let mut until = window.expiry.saturating_add(trusted.leeway);
        if let Some(asked) = resolver::resolve(&mut verified, trusted.resolver.as_deref()).await {
            until = until.min(now.saturating_add(asked.lifetime()));
        }
        verified.payload = compact.payload.into_boxed_slice();
        let proof = Proof::Key { issuer: at, generation: keys.generation() };
        Ok(Hit { user: VerifiedUser::new(verified), proof, window, until })
    }
}

/// Keys that have one for this token, fetched if need be.
async fn keys_for(
    source: &dyn KeySource,
    kid: Option<&str>,
    algorithm: Algorithm,
) -> Result<Arc<KeySet>, VerifyError> {
    let current = source.current();
    let seen = match &current {
        None => None,
        Some(keys) => match keys.candidates(kid, algorithm) {
            Err(NoKey::Unknown) => Some(keys.generation()),
            _ => return Ok(Arc::clone(keys)),
        },
    };
    source.refresh(seen).await.map_err(VerifyError::KeysUnavailable)
}

fn no_key(why: NoKey) -> VerifyError {
    match why {
        NoKey::Ambiguous => VerifyError::AmbiguousKey,
        _ => VerifyError::UnknownKey,
    }
}

/// Three parts: a JWS, good or not. Everything else is opaque, and only its issuer can say what it means.
fn is_jws(token: &str) -> bool {
    token.len() <= MAX_TOKEN_LEN && token.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// Seconds since the Unix epoch. A clock before it counts as the epoch: then nothing is valid yet.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
