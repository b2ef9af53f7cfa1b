//! What makes a link one user's own.

use std::fmt;
use std::time::{Duration, SystemTime};

use bonafide_claims::UserId;
use bonafide_policy::TenantId;
use bonafide_vault::{KeyError, Keyring, StateError, StateSealer};
use secrecy::ExposeSecret as _;

/// How long the links of the gateway are good for: an hour.
pub const LINK_TIME: Duration = Duration::from_secs(60 * 60);

/// Seals who a link was made for, so that the page behind it can check who opened it.
///
/// The gateway asks a user for a credential by a link to `/connections/{tenant}?e=…`. The token says nothing to those
/// who read it, and signs nobody in: whoever opens the link has to sign in, and has to be who it was made for. A
/// link that is sent on to somebody else asks them for nothing.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use bonafide_claims::UserId;
/// use bonafide_mcp::{LinkError, LinkSealer};
/// use bonafide_policy::TenantId;
/// use bonafide_vault::{Keyring, MasterKey};
///
/// let links = LinkSealer::new(&Keyring::new(&MasterKey::generate()?)?)?;
/// let user = |subject: &str| Ok::<_, Box<dyn std::error::Error>>(
///     UserId::new("https://idp.example".parse()?, None, subject.parse()?));
/// let (alice, bob) = (user("alice")?, user("bob")?);
/// let github: TenantId = "github".parse()?;
///
/// let now = SystemTime::now();
/// let token = links.seal(&alice, &github, now + Duration::from_secs(60))?;
/// assert_eq!(links.check(&token, &alice, &github, now), Ok(()));
/// assert_eq!(links.check(&token, &bob, &github, now), Err(LinkError::OtherUser));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
///
/// A token is good until it expires, as often as it is shown. It is no proof of who shows it.
#[derive(Clone)]
pub struct LinkSealer(StateSealer);

/// Why a link is not for whoever opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// It was not made here, or altered since.
    #[error("the link is damaged or was not made here: ask for a new one")]
    Invalid,
    /// It was good once.
    #[error("the link has expired: ask for a new one")]
    Expired,
    /// It was made for somebody else.
    #[error("the link was made for another user")]
    OtherUser,
    /// It was made for another backend.
    #[error("the link was made for another tenant")]
    OtherTenant,
}

impl LinkSealer {
    /// A sealer with the keys of `keyring`. Every gateway and every portal with the same master key understands it.
    ///
    /// # Errors
    ///
    /// [`KeyError::Crypto`] if the cryptography library fails.
    pub fn new(keyring: &Keyring) -> Result<Self, KeyError> {
        Ok(Self(StateSealer::new(keyring, "bonafide-mcp link")?))
    }

    /// The token for a link that is for `user` and `tenant` until `expires`.
    ///
    /// # Errors
    ///
    /// [`StateError::Crypto`] if the system's random source fails.
    pub fn seal(
        &self,
        user: &UserId,
        tenant: &TenantId,
        expires: SystemTime,
    ) -> Result<String, StateError> {
        let expires = seconds(expires).to_string();
        let [issuer, directory, subject] = user.parts();
        let state = serde_json::json!([tenant.as_str(), issuer, directory, subject, expires]);
        self.0.seal(&[], state.to_string().as_bytes())
    }

    /// Whether the link is for this user and this tenant, and still good.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn check(
        &self,
        token: &str,
        user: &UserId,
        tenant: &TenantId,
        now: SystemTime,
    ) -> Result<(), LinkError> {
        let state = self.0.open(&[], token).map_err(|_| LinkError::Invalid)?;
        let [for_tenant, issuer, directory, subject, expires]: [String; 5] =
            serde_json::from_slice(state.expose_secret()).map_err(|_| LinkError::Invalid)?;
        let expires: u64 = expires.parse().map_err(|_| LinkError::Invalid)?;
        if user.parts() != [&*issuer, &*directory, &*subject] {
            return Err(LinkError::OtherUser);
        }
        if for_tenant != tenant.as_str() {
            return Err(LinkError::OtherTenant);
        }
        if seconds(now) >= expires {
            return Err(LinkError::Expired);
        }
        Ok(())
    }
}

impl fmt::Debug for LinkSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LinkSealer").field(&self.0).finish()
    }
}

/// A clock before 1970 makes links that are good for nothing.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use bonafide_vault::MasterKey;

    use super::*;

    fn user(subject: &str) -> UserId {
        UserId::new("https://idp.example".parse().unwrap(), None, subject.parse().unwrap())
    }

    fn tenant(id: &str) -> TenantId {
        id.parse().unwrap()
    }

    #[test]
    fn a_link_is_for_one_user_one_tenant_and_a_time() {
        let key = MasterKey::generate().unwrap();
        let links = LinkSealer::new(&Keyring::new(&key).unwrap()).unwrap();
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let token = links.seal(&user("alice"), &tenant("t"), start + LINK_TIME).unwrap();
        let check = |subject: &str, id: &str, now| {
            // At another gateway with the same key.
            let links = LinkSealer::new(&Keyring::new(&key).unwrap()).unwrap();
            links.check(&token, &user(subject), &tenant(id), now)
        };
        assert_eq!(check("alice", "t", start), Ok(()));
        assert_eq!(check("bob", "t", start), Err(LinkError::OtherUser));
        assert_eq!(check("alice", "u", start), Err(LinkError::OtherTenant));
        assert_eq!(check("alice", "t", start + LINK_TIME), Err(LinkError::Expired));
        assert_eq!(check("bob", "t", start + LINK_TIME), Err(LinkError::OtherUser));
    }

    #[test]
    fn nothing_else_is_a_link() {
        let keyring = Keyring::new(&MasterKey::generate().unwrap()).unwrap();
        let links = LinkSealer::new(&keyring).unwrap();
        let other = StateSealer::new(&keyring, "another purpose").unwrap();
        let foreign = other.seal(&[], br#"["t","https://idp.example","","alice","99999999999"]"#);
        let stranger = Keyring::new(&MasterKey::generate().unwrap()).unwrap();
        let stranger = LinkSealer::new(&stranger).unwrap();
        let later = SystemTime::now() + LINK_TIME;
        let theirs = stranger.seal(&user("alice"), &tenant("t"), later).unwrap();
        for token in ["", "alice", &foreign.unwrap(), &theirs] {
            let check = links.check(token, &user("alice"), &tenant("t"), SystemTime::now());
            assert_eq!(check, Err(LinkError::Invalid), "{token}");
        }
    }

    #[test]
    fn nothing_of_the_user_can_be_read_in_it() {
        let keyring = Keyring::new(&MasterKey::generate().unwrap()).unwrap();
        let links = LinkSealer::new(&keyring).unwrap();
        let token = links.seal(&user("canary"), &tenant("t"), SystemTime::now()).unwrap();
        assert!(!format!("{token} {links:?}").contains("canary"));
    }
}
