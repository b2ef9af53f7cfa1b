//! Session ids that work for one user at one tenant only.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use bonafide_claims::UserId;
use bonafide_policy::TenantId;
use bonafide_vault::{KeyError, Keyring};
use secrecy::ExposeSecret as _;

/// How many bytes of the HMAC go into an id. 128 bits can't be guessed, and half the MAC is what RFC 2104,
/// section 5, asks for at least.
const TAG_LEN: usize = 16;

/// The keys that bind `Mcp-Session-Id` to a user and a tenant, one for each master key, newest first.
///
/// A backend knows its sessions, but not whose they are: it would answer anybody who names one. So the id that a
/// client sees is the backend's own behind a tag, HMAC-SHA256 over user, tenant, what the client can do, and id. That
/// costs no memory, and works at every gateway with the same master key.
pub(crate) struct SessionKeys(Vec<hmac::Key>);

/// A session as its client names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Session<'a> {
    /// The backend's own id.
    pub(crate) id: &'a str,
    /// Whether the client said, when it began the session, that it can send its user to a page: `elicitation.url`.
    pub(crate) url: bool,
}

impl SessionKeys {
    pub(crate) fn new(keyring: &Keyring) -> Result<Self, KeyError> {
        let keys = keyring.subkeys("bonafide-mcp session")?;
        let key = |bytes: &[u8; 32]| hmac::Key::new(hmac::HMAC_SHA256, bytes);
        Ok(Self(keys.iter().map(|(_, bytes)| key(bytes.expose_secret())).collect()))
    }

    /// The id that the client gets. `None` only without a key, which no keyring is.
    pub(crate) fn seal(
        &self,
        user: &UserId,
        tenant: &TenantId,
        session: Session<'_>,
    ) -> Option<String> {
        let tag = hmac::sign(self.0.first()?, &bound(user, tenant, session));
        let tag = BASE64URL.encode(tag.as_ref().get(..TAG_LEN)?);
        Some(format!("{tag}.{}.{}", ability(session.url), session.id))
    }

    /// The session in `sealed`, if it was sealed for this user and tenant.
    pub(crate) fn open<'a>(
        &self,
        user: &UserId,
        tenant: &TenantId,
        sealed: &'a str,
    ) -> Option<Session<'a>> {
        let (tag, rest) = sealed.split_once('.')?;
        let (url, id) = rest.split_once('.')?;
        let url = [true, false].into_iter().find(|able| ability(*able) == url)?;
        let session = Session { id, url };
        let tag = BASE64URL.decode(tag).ok()?;
        let bound = bound(user, tenant, session);
        let made_by = |key: &hmac::Key| {
            let expected = hmac::sign(key, &bound);
            let expected = expected.as_ref().get(..TAG_LEN).unwrap_or_default();
            aws_lc_rs::constant_time::verify_slices_are_equal(expected, &tag).is_ok()
        };
        self.0.iter().any(made_by).then_some(session)
    }
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKeys").field("keys", &self.0.len()).finish()
    }
}

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoRandomness;

fn ability(url: bool) -> &'static str {
    if url { "u" } else { "0" }
}

/// Every part with its length before it, so that no two lists of parts give the same bytes.
fn bound(user: &UserId, tenant: &TenantId, session: Session<'_>) -> Vec<u8> {
    let [issuer, directory, subject] = user.parts();
    let Session { id, url } = session;
    let parts = [issuer, directory, subject, tenant.as_str(), ability(url), id];
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
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

    fn seal(keys: &SessionKeys, id: &str) -> String {
        keys.seal(&user("alice"), &tenant("github"), Session { id, url: true }).unwrap()
    }

    #[test]
    fn opens_for_the_same_user_and_tenant_only() {
        let keyring = Keyring::new(&MasterKey::generate().unwrap()).unwrap();
        let keys = SessionKeys::new(&keyring).unwrap();
        let sealed = seal(&keys, "a.b-c");
        let open = |subject: &str, id: &str| keys.open(&user(subject), &tenant(id), &sealed);
        assert_eq!(open("alice", "github"), Some(Session { id: "a.b-c", url: true }));
        assert_eq!(open("bob", "github"), None);
        assert_eq!(open("alice", "jira"), None);
    }

    #[test]
    fn opens_at_every_gateway_with_the_same_master_key_and_no_other() {
        let (old, new) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
        let keys = |keyring: Keyring| SessionKeys::new(&keyring).unwrap();
        let sealed = seal(&keys(Keyring::new(&old).unwrap()), "s");
        let open =
            |keys: SessionKeys| keys.open(&user("alice"), &tenant("github"), &sealed).is_some();
        assert!(open(keys(Keyring::new(&old).unwrap())));
        assert!(open(keys(Keyring::new(&new).unwrap().with_older(&old).unwrap())));
        assert!(!open(keys(Keyring::new(&new).unwrap())));
    }

    #[test]
    fn refuses_what_was_never_sealed() {
        let keyring = Keyring::new(&MasterKey::generate().unwrap()).unwrap();
        let keys = SessionKeys::new(&keyring).unwrap();
        let sealed = seal(&keys, "session");
        let (tag, id) = sealed.split_once(".u.").unwrap();
        let wrong = [
            id.to_owned(),
            String::new(),
            format!(".u.{id}"),
            format!("{tag}.{id}"),
            format!("{tag}.0.{id}"),
            format!("{tag}.U.{id}"),
            format!("{tag}..{id}"),
            format!("{tag}.u.other"),
            format!("{}.u.{id}", &tag[..tag.len() - 2]),
            format!("{tag}=.u.{id}"),
        ];
        for wrong in wrong {
            assert_eq!(keys.open(&user("alice"), &tenant("github"), &wrong), None, "{wrong}");
        }
    }
}
