//! Session ids that work for one user at one tenant only.

use bonafide_claims::UserId;
use bonafide_policy::TenantId;
use bonafide_vault::{KeyError, Keyring};

use crate::tag::TagKeys;

/// The keys that bind `Mcp-Session-Id` to a user and a tenant.
///
/// A backend knows its sessions, but not whose they are: it would answer anybody who names one. So the id that a
/// client sees is the backend's own behind a tag, over user, tenant, what the client can do, and id. That
/// costs no memory, and works at every gateway with the same master key.
#[derive(Debug)]
pub(crate) struct SessionKeys(TagKeys);

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
        TagKeys::new(keyring, "bonafide-mcp session").map(Self)
    }

    /// The id that the client gets. `None` only without a key, which no keyring is.
    pub(crate) fn seal(
        &self,
        user: &UserId,
        tenant: &TenantId,
        session: Session<'_>,
    ) -> Option<String> {
        let ability = ability(session.url);
        let tag = self.0.tag(user, tenant, &[ability, session.id])?;
        Some(format!("{tag}.{ability}.{}", session.id))
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
        let able = [true, false].into_iter().find(|able| ability(*able) == url)?;
        self.0.is_tag(tag, user, tenant, &[url, id]).then_some(Session { id, url: able })
    }
}

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoRandomness;

fn ability(url: bool) -> &'static str {
    if url { "u" } else { "0" }
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
