//! Session ids that work for one user at one tenant only.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use bonafide_claims::UserId;
use bonafide_policy::TenantId;

/// How many bytes of the HMAC go into an id. 128 bits can't be guessed, and half the MAC is what RFC 2104,
/// section 5, asks for at least.
const TAG_LEN: usize = 16;

/// The key that binds `Mcp-Session-Id` to a user and a tenant.
///
/// A backend knows its sessions, but not whose they are: it would answer anybody who names one. So the id that a
/// client sees is the backend's own behind a tag, HMAC-SHA256 over user, tenant and id, which costs no memory and
/// works at every gateway that has the same key.
pub struct SessionKey(hmac::Key);

impl SessionKey {
    /// A key from 32 bytes. Gateways that serve the same clients need the same one.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// A random key: sessions end with this process.
    ///
    /// # Errors
    ///
    /// If the operating system gives no random bytes.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(Self::new(&bytes))
    }

    /// The id that the client gets for the backend's `id`.
    pub(crate) fn seal(&self, user: &UserId, tenant: &TenantId, id: &str) -> String {
        let tag = hmac::sign(&self.0, &bound(user, tenant, id));
        let tag = tag.as_ref().get(..TAG_LEN).unwrap_or_default();
        format!("{}.{id}", BASE64URL.encode(tag))
    }

    /// The backend's id in `sealed`, if it was sealed for this user and tenant.
    pub(crate) fn open<'a>(
        &self,
        user: &UserId,
        tenant: &TenantId,
        sealed: &'a str,
    ) -> Option<&'a str> {
        let (tag, id) = sealed.split_once('.')?;
        let tag = BASE64URL.decode(tag).ok()?;
        let expected = hmac::sign(&self.0, &bound(user, tenant, id));
        let expected = expected.as_ref().get(..TAG_LEN)?;
        aws_lc_rs::constant_time::verify_slices_are_equal(expected, &tag).ok()?;
        Some(id)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(…)")
    }
}

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoRandomness;

/// Every part with its length before it, so that no two lists of parts give the same bytes.
fn bound(user: &UserId, tenant: &TenantId, id: &str) -> Vec<u8> {
    let [issuer, directory, subject] = user.parts();
    let parts = ["bonafide session 1", issuer, directory, subject, tenant.as_str(), id];
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(subject: &str) -> UserId {
        UserId::new("https://idp.example".parse().unwrap(), None, subject.parse().unwrap())
    }

    fn tenant(id: &str) -> TenantId {
        id.parse().unwrap()
    }

    #[test]
    fn opens_for_the_same_user_and_tenant_only() {
        let key = SessionKey::random().unwrap();
        let sealed = key.seal(&user("alice"), &tenant("github"), "a.b-c");
        let open = |subject: &str, id: &str| {
            key.open(&user(subject), &tenant(id), &sealed).map(str::to_owned)
        };
        assert_eq!(open("alice", "github").as_deref(), Some("a.b-c"));
        assert_eq!(open("bob", "github"), None);
        assert_eq!(open("alice", "jira"), None);
    }

    #[test]
    fn opens_at_another_gateway_with_the_same_key() {
        let sealed = SessionKey::new(&[7; 32]).seal(&user("alice"), &tenant("github"), "s");
        let open = |key: &SessionKey| {
            key.open(&user("alice"), &tenant("github"), &sealed).map(str::to_owned)
        };
        assert_eq!(open(&SessionKey::new(&[7; 32])).as_deref(), Some("s"));
        assert_eq!(open(&SessionKey::new(&[8; 32])), None);
    }

    #[test]
    fn refuses_what_was_never_sealed() {
        let key = SessionKey::random().unwrap();
        let sealed = key.seal(&user("alice"), &tenant("github"), "session");
        let (tag, id) = sealed.split_once('.').unwrap();
        let wrong = [
            id.to_owned(),
            String::new(),
            format!(".{id}"),
            format!("{tag}.other"),
            format!("{}.{id}", &tag[..tag.len() - 2]),
            format!("{tag}=.{id}"),
        ];
        for wrong in wrong {
            assert_eq!(key.open(&user("alice"), &tenant("github"), &wrong), None, "{wrong}");
        }
    }
}
