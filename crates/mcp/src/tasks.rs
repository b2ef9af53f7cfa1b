//! Task ids that work for one user at one tenant only.

use std::sync::Arc;

use bonafide_policy::Permit;
use bonafide_vault::{KeyError, Keyring};

use crate::json;
use crate::tag::TagKeys;

/// In `_meta`, says which task a message is about: revision 2025-11-25, "related task metadata".
const RELATED: &str = "io.modelcontextprotocol/related-task";

/// The keys that bind task ids to a user and a tenant.
///
/// A backend knows its tasks, and unless it tells users apart, it shows and ends them for anybody who names one. So the id
/// that a client sees is the backend's own behind a tag, as for sessions. It is the same each time, since clients
/// compare ids.
#[derive(Debug)]
pub(crate) struct TaskKeys(TagKeys);

impl TaskKeys {
    pub(crate) fn new(keyring: &Keyring) -> Result<Self, KeyError> {
        TagKeys::new(keyring, "bonafide-mcp task").map(Self)
    }

    fn seal(&self, permit: &Permit, id: &str) -> Option<String> {
        let tag = self.0.tag(permit.user().id(), permit.tenant(), &[id])?;
        Some(format!("{tag}.{id}"))
    }

    fn open<'a>(&self, permit: &Permit, sealed: &'a str) -> Option<&'a str> {
        let (tag, id) = sealed.split_once('.')?;
        self.0.is_tag(tag, permit.user().id(), permit.tenant(), &[id]).then_some(id)
    }
}

/// The tasks of one user at one tenant, as the client names them and as the backend does.
#[derive(Debug, Clone)]
pub(crate) struct Tasks {
    keys: Arc<TaskKeys>,
    permit: Permit,
    /// Ids that the client named in this request: the backend's, and as the client wrote it.
    known: Vec<(String, String)>,
}

impl Tasks {
    pub(crate) fn new(keys: Arc<TaskKeys>, permit: Permit) -> Self {
        Self { keys, permit, known: Vec::new() }
    }

    /// The backend's id of a task of this user, and nothing for any other.
    pub(crate) fn open(&mut self, sealed: &str) -> Option<String> {
        let id = self.keys.open(&self.permit, sealed)?.to_owned();
        self.known.push((id.clone(), sealed.to_owned()));
        Some(id)
    }

    /// What the client calls the task with this id of the backend. As it called it in this request, if it did: with an
    /// older master key the tag is another.
    pub(crate) fn seal(&self, id: &str) -> Option<String> {
        let known = self.known.iter().find(|(known, _)| known == id);
        known.map(|(_, sealed)| sealed.clone()).or_else(|| self.keys.seal(&self.permit, id))
    }
}

/// The id in the metadata of a message's `params` or `result`, as it is written.
pub(crate) fn related(object: &str) -> Option<&str> {
    let meta = json::member(object, "_meta").ok()??;
    let related = json::member(meta, RELATED).ok()??;
    json::member(related, "taskId").ok()?
}

#[cfg(test)]
mod tests {
    use bonafide_policy::{Policy, Rule};
    use bonafide_testkit::Issuer;
    use bonafide_vault::MasterKey;

    use super::*;

    fn permit(user: &str, tenant: &str) -> Permit {
        let rule = Rule::allow("all").with_issuer("https://idp.example").with_tenants(["a", "b"]);
        let policy = Policy::builder().with_rule(rule).build().unwrap();
        let user = Issuer::new("https://idp.example").user(user).verified();
        policy.permit(&user, &tenant.parse().unwrap()).unwrap()
    }

    fn keys(keyring: &Keyring) -> Arc<TaskKeys> {
        Arc::new(TaskKeys::new(keyring).unwrap())
    }

    #[test]
    fn an_id_opens_for_its_user_and_tenant_only_and_is_the_same_each_time() {
        let keyring = Keyring::new(&MasterKey::generate().unwrap()).unwrap();
        let of = |user, tenant| Tasks::new(keys(&keyring), permit(user, tenant));
        for id in ["786512e2-9e0d", "a.b", "", "größe", "=?base64?eA==?="] {
            let sealed = of("alice", "a").seal(id).unwrap();
            assert_eq!(of("alice", "a").seal(id).as_deref(), Some(&*sealed));
            assert_eq!(of("alice", "a").open(&sealed).as_deref(), Some(id));
            assert_eq!(of("bob", "a").open(&sealed), None);
            assert_eq!(of("alice", "b").open(&sealed), None);
            assert_eq!(of("alice", "a").open(id), None);
            assert_eq!(of("alice", "a").open(&format!("{sealed}x")), None);
            assert_eq!(of("alice", "a").open(&sealed[1..]), None);
        }
    }

    #[test]
    fn an_id_that_was_given_out_before_a_new_master_key_stays_as_it_was() {
        let (old, new) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
        let alice = |keyring: &Keyring| Tasks::new(keys(keyring), permit("alice", "a"));
        let given = alice(&Keyring::new(&old).unwrap()).seal("t").unwrap();
        let both = Keyring::new(&new).unwrap().with_older(&old).unwrap();
        assert_ne!(alice(&both).seal("t").as_deref(), Some(&*given));
        let mut tasks = alice(&both);
        assert_eq!(tasks.open(&given).as_deref(), Some("t"));
        assert_eq!(tasks.seal("t"), Some(given));
    }

    #[test]
    fn a_session_is_no_task() {
        let keyring = Keyring::new(&MasterKey::generate().unwrap()).unwrap();
        let permit = permit("alice", "a");
        let other = TagKeys::new(&keyring, "bonafide-mcp session").unwrap();
        let tag = other.tag(permit.user().id(), permit.tenant(), &["t"]).unwrap();
        assert_eq!(Tasks::new(keys(&keyring), permit).open(&format!("{tag}.t")), None);
    }
}
