//! From a token to a user.

mod builder;
mod check;
mod claim_map;
mod claim_path;
mod compact;
mod error;
mod extract;
mod header;
mod issuer;
mod profile;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::SystemTime;

use bonafide_jwks::strict_json::{self, Object};
use bonafide_jwks::{Algorithm, Clock, KeySet, KeySource, NoKey};

pub use builder::VerifierBuilder;
pub use claim_map::ClaimMap;
pub use claim_path::{ClaimPath, PathError};
pub use compact::MAX_TOKEN_LEN;
pub use error::{Claim, VerifyError, VerifyErrorKind};
pub use issuer::{BuildError, MAX_LEEWAY, TrustedIssuer, TrustedIssuerBuilder};
pub use profile::{Profile, UnknownProfile};

use crate::user::VerifiedUser;
use builder::Issuers;
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
        let compact = Compact::read(token)?;
        let header = Header::read(&compact.header)?;
        let claims = strict_json::parse(&compact.payload).map_err(|_| VerifyError::Payload)?;
        let issuer = check::text(&claims, Claim::Issuer)?;
        let trusted = self.shared.issuers.find(issuer).ok_or(VerifyError::UnknownIssuer)?;
        if !trusted.algorithms.contains(&header.algorithm) {
            return Err(VerifyError::AlgorithmNotAllowed);
        }
        let kid = header.kid()?;
        let keys = keys_for(&*trusted.keys, kid, header.algorithm).await?;
        let mut verified = {
            let candidates = keys.candidates(kid, header.algorithm).map_err(no_key)?;
            let key = candidates
                .verify(compact.signed, &compact.signature)
                .map_err(|_| VerifyError::BadSignature)?;
            let window = self.check(issuer, &header, &claims, trusted)?;
            check::directory(issuer, &claims, key, trusted)?;
            extract::user(issuer, &claims, &window, trusted)?
        };
        verified.payload = compact.payload.into_boxed_slice();
        Ok(VerifiedUser::new(verified))
    }

    fn check(
        &self,
        _issuer: &str,
        header: &Header<'_>,
        claims: &Object<'_>,
        trusted: &TrustedIssuer,
    ) -> Result<Window, VerifyError> {
        check::kind(header.typ()?, claims, trusted)?;
        check::audience(claims, trusted)?;
        let window = Window::read(claims)?;
        window.check(seconds(self.shared.clock.now()), trusted.leeway)?;
        Ok(window)
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

/// Seconds since the Unix epoch. A clock before it counts as the epoch: then nothing is valid yet.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
