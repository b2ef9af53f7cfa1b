//! The way to a secret: a token, a decision, a permit.

#![expect(clippy::unwrap_used, reason = "a failing test stops there")]

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bonafide_claims::{UserId, VerifiedUser};
use bonafide_policy::{Permit, Policy, Rule};
use bonafide_testkit::Issuer;
use bonafide_vault::{
    Envelope, Keyring, MasterKey, MemoryVault, OpenError, Owner, Record, Replacement, SealError,
    SecretId, SecretName, SecretStore, StoreError, Vault, VaultError,
};
use secrecy::{ExposeSecret, SecretString};

const ISSUER: &str = "https://idp.example";

fn user(subject: &str) -> VerifiedUser {
    Issuer::new(ISSUER).user(subject).with_groups(["staff"]).verified()
}

fn permit(user: &VerifiedUser, tenant: &str) -> Permit {
    let policy = Policy::builder()
        .with_rule(Rule::allow("staff").with_groups(["staff"]).with_tenants(["github", "jira"]))
        .build()
        .unwrap();
    policy.permit(user, &tenant.parse().unwrap()).unwrap()
}

fn keyring() -> Keyring {
    Keyring::new(&MasterKey::generate().unwrap()).unwrap()
}

fn store() -> (Arc<MemoryVault>, SecretStore) {
    let memory = Arc::new(MemoryVault::new());
    (Arc::clone(&memory), SecretStore::new(memory, keyring()))
}

fn names<const N: usize>(names: [&str; N]) -> [SecretName; N] {
    names.map(|name| name.parse().unwrap())
}

fn secret(value: &str) -> SecretString {
    SecretString::from(value)
}

fn exposed(value: Option<&SecretString>) -> Option<&str> {
    value.map(ExposeSecret::expose_secret)
}

fn everything_said_by(error: &VaultError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(error) = source {
        write!(text, " {error} {error:?}").unwrap();
        source = error.source();
    }
    text
}

#[tokio::test]
async fn reads_by_the_position_of_the_name() {
    let (_, store) = store();
    let permit = permit(&user("alice"), "github");
    let vault = store.open(&permit);
    let [a, b, c] = names(["A", "B", "C"]);
    vault.write(&a, secret("value of a")).await.unwrap();
    vault.write(&c, secret("value of c")).await.unwrap();
    let read = vault.read(&[c, b, a]).await.unwrap();
    assert_eq!(exposed(read.get(0)), Some("value of c"));
    assert_eq!(exposed(read.get(1)), None);
    assert_eq!(exposed(read.get(2)), Some("value of a"));
    assert_eq!(exposed(read.get(3)), None);
    assert_eq!((read.len(), read.is_empty()), (3, false));
}

#[tokio::test]
async fn a_permit_opens_its_own_user_and_tenant_only() {
    let (_, store) = store();
    let (alice, bob) = (user("alice"), user("bob"));
    let all = [permit(&alice, "github"), permit(&alice, "jira"), permit(&bob, "github")];
    let names = names(["TOKEN"]);
    for (number, permit) in all.iter().enumerate() {
        let value = secret(&format!("value {number}"));
        store.open(permit).write(&names[0], value).await.unwrap();
    }
    for (number, permit) in all.iter().enumerate() {
        let read = store.open(permit).read(&names).await.unwrap();
        assert_eq!(exposed(read.get(0)), Some(&*format!("value {number}")));
    }
    assert!(store.open(&all[0]).remove(&names[0]).await.unwrap());
    assert!(store.open(&all[0]).read(&names).await.unwrap().get(0).is_none());
    assert!(store.open(&all[1]).read(&names).await.unwrap().get(0).is_some());
    assert_eq!(store.remove_user(bob.id()).await.unwrap(), 1);
    assert!(store.open(&all[2]).read(&names).await.unwrap().get(0).is_none());
    assert!(store.open(&all[1]).read(&names).await.unwrap().get(0).is_some());
}

/// The same subject at another issuer is somebody else.
#[tokio::test]
async fn another_issuer_cannot_name_our_users() {
    let (_, store) = store();
    let names = names(["TOKEN"]);
    let ours = permit(&user("alice"), "github");
    store.open(&ours).write(&names[0], secret("canary")).await.unwrap();
    let theirs = Issuer::new("https://other.example").user("alice").with_groups(["staff"]);
    let theirs = permit(&theirs.verified(), "github");
    assert!(store.open(&theirs).read(&names).await.unwrap().get(0).is_none());
}

#[tokio::test]
async fn status_tells_since_when_and_under_which_key_and_nothing_else() {
    let key = MasterKey::generate().unwrap();
    let set_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let store = SecretStore::new(Arc::new(MemoryVault::new()), Keyring::new(&key).unwrap())
        .with_clock(move || set_at + Duration::from_millis(7));
    let permit = permit(&user("alice"), "github");
    let vault = store.open(&permit);
    let [set, unset] = names(["SET", "UNSET"]);
    vault.write(&set, secret("canary")).await.unwrap();
    let status = vault.status(&[unset, set]).await.unwrap();
    let [unset, set] = &*status else { panic!("two names were asked for") };
    assert_eq!((unset.is_set(), unset.updated_at(), unset.key_id()), (false, None, None));
    assert_eq!((set.is_set(), set.name().as_str()), (true, "SET"));
    assert_eq!((set.updated_at(), set.key_id()), (Some(set_at), Some(key.id().unwrap())));
    assert_eq!(vault.list().await.unwrap(), std::slice::from_ref(set));
    assert!(!format!("{status:?}").contains("canary"));
}

/// A row that does not open is never "not set": a gateway would ask the user for a new value, and hide that
/// somebody tampered with the store.
#[tokio::test]
async fn what_does_not_open_is_an_error_for_the_whole_read() {
    let (memory, store) = store();
    let (alice, bob) = (user("alice"), user("bob"));
    let (hers, his) = (permit(&alice, "github"), permit(&bob, "github"));
    let names = names(["GOOD", "TOKEN"]);
    for name in &names {
        store.open(&hers).write(name, secret("canary")).await.unwrap();
        store.open(&his).write(name, secret("of bob")).await.unwrap();
    }
    // Alice's row, put in Bob's place by somebody who can write to the store.
    let tenant = hers.tenant();
    let stolen = memory.read(Owner::new(alice.id(), tenant), &names[1..]).await.unwrap();
    let stolen = stolen.into_iter().flatten().next().unwrap();
    memory.write(Owner::new(bob.id(), tenant), &names[1], stolen).await.unwrap();
    let error = store.open(&his).read(&names).await.unwrap_err();
    match &error {
        VaultError::Sealed { name, source: OpenError::Refused } => assert_eq!(name, &names[1]),
        other => panic!("{other:?}"),
    }
    assert!(!everything_said_by(&error).contains("canary"));
    let read = store.open(&his).read(&names[..1]).await.unwrap();
    assert_eq!(exposed(read.get(0)), Some("of bob"));
}

#[tokio::test]
async fn rotates_keys_while_it_is_open() {
    let (old, new) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
    let store = SecretStore::new(Arc::new(MemoryVault::new()), Keyring::new(&old).unwrap());
    let permit = permit(&user("alice"), "github");
    let clone = store.clone();
    let vault = clone.open(&permit);
    let names = names(["A", "B"]);
    vault.write(&names[0], secret("a")).await.unwrap();
    store.replace_keyring(Keyring::new(&new).unwrap().with_older(&old).unwrap());
    vault.write(&names[1], secret("b")).await.unwrap();
    let read = vault.read(&names).await.unwrap();
    assert_eq!((exposed(read.get(0)), exposed(read.get(1))), (Some("a"), Some("b")));
    let keys: Vec<_> =
        vault.status(&names).await.unwrap().iter().map(|status| status.key_id()).collect();
    assert_eq!(keys, [Some(old.id().unwrap()), Some(new.id().unwrap())]);

    let report = bonafide_vault::admin::rewrap(&**store.vault(), &store.sealer(), |_| {}).await;
    assert_eq!(report.unwrap().rewrapped, 1);
    store.replace_keyring(Keyring::new(&new).unwrap());
    let read = vault.read(&names).await.unwrap();
    assert_eq!((exposed(read.get(0)), exposed(read.get(1))), (Some("a"), Some("b")));
}

#[tokio::test]
async fn a_key_that_is_not_at_hand_is_named() {
    let (memory, store) = store();
    let permit = permit(&user("alice"), "github");
    let names = names(["TOKEN"]);
    store.open(&permit).write(&names[0], secret("canary")).await.unwrap();
    let key = store.sealer().keyring().newest();
    let other = SecretStore::new(memory, keyring());
    let error = other.open(&permit).read(&names).await.unwrap_err();
    assert!(everything_said_by(&error).contains(&key.to_string()), "{error:?}");
}

#[tokio::test]
async fn refuses_values_that_nobody_can_mean() {
    let (_, store) = store();
    let permit = permit(&user("alice"), "github");
    let [name] = names(["TOKEN"]);
    let vault = store.open(&permit);
    let empty = vault.write(&name, secret("")).await.unwrap_err();
    assert!(matches!(empty, VaultError::Value { source: SealError::Empty, .. }));
    let long = vault.write(&name, secret(&"canary".repeat(20_000))).await.unwrap_err();
    assert!(matches!(long, VaultError::Value { source: SealError::TooLong { .. }, .. }));
    assert!(!everything_said_by(&long).contains("canary"));
    assert!(!vault.status(&[name]).await.unwrap().iter().any(|status| status.is_set()));
}

#[tokio::test]
async fn nothing_shows_a_value() {
    let (memory, store) = store();
    let permit = permit(&user("alice"), "github");
    let vault = store.open(&permit);
    let names = names(["TOKEN"]);
    vault.write(&names[0], secret("canary")).await.unwrap();
    let read = vault.read(&names).await.unwrap();
    let rows = memory.scan(None, 10).await.unwrap();
    let shown = format!("{read:?} {vault:?} {store:?} {memory:?} {rows:?} {:?}", read.get(0));
    assert!(!shown.contains("canary"), "{shown}");
    assert!(!shown.contains("alice"), "{shown}");
    assert_eq!(format!("{read:?}"), "Secrets { len: 1, set: 1 }");
}

/// A store that fails, or answers with something else than it was asked.
#[derive(Debug)]
struct Faulty {
    answer: Vec<Option<Record>>,
    fails: bool,
}

#[async_trait]
impl Vault for Faulty {
    async fn read(
        &self,
        _owner: Owner<'_>,
        _names: &[SecretName],
    ) -> Result<Vec<Option<Record>>, StoreError> {
        if self.fails {
            return Err(StoreError::unavailable("connection refused"));
        }
        Ok(self.answer.clone())
    }

    async fn list(&self, _owner: Owner<'_>) -> Result<Vec<(SecretName, Record)>, StoreError> {
        Err(StoreError::unavailable("connection refused"))
    }

    async fn write(
        &self,
        _owner: Owner<'_>,
        _name: &SecretName,
        _record: Record,
    ) -> Result<(), StoreError> {
        Err(StoreError::unavailable("connection refused"))
    }

    async fn remove(&self, _owner: Owner<'_>, _name: &SecretName) -> Result<bool, StoreError> {
        Err(StoreError::unavailable("connection refused"))
    }

    async fn remove_user(&self, _user: &UserId) -> Result<u64, StoreError> {
        Err(StoreError::unavailable("connection refused"))
    }

    async fn scan(
        &self,
        _after: Option<&SecretId>,
        _limit: usize,
    ) -> Result<Vec<(SecretId, Record)>, StoreError> {
        Err(StoreError::unavailable("connection refused"))
    }

    async fn replace(&self, _changes: Vec<Replacement>) -> Result<Vec<bool>, StoreError> {
        Err(StoreError::unavailable("connection refused"))
    }
}

#[tokio::test]
async fn a_store_that_fails_is_an_error_and_not_an_empty_answer() {
    let faulty = Faulty { answer: Vec::new(), fails: true };
    let store = SecretStore::new(Arc::new(faulty), keyring());
    let (alice, [name]) = (user("alice"), names(["TOKEN"]));
    let permit = permit(&alice, "github");
    let vault = store.open(&permit);
    let asked = std::slice::from_ref(&name);
    let errors = [
        vault.read(asked).await.map(drop).unwrap_err(),
        vault.status(asked).await.map(drop).unwrap_err(),
        vault.list().await.map(drop).unwrap_err(),
        vault.write(&name, secret("canary")).await.unwrap_err(),
        vault.remove(&name).await.map(drop).unwrap_err(),
        store.remove_user(alice.id()).await.map(drop).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, VaultError::Store(StoreError::Unavailable { .. })), "{error:?}");
        assert!(!everything_said_by(&error).contains("canary"));
    }
}

#[tokio::test]
async fn an_answer_that_does_not_fit_the_question_is_an_error() {
    let record = Record::new(Envelope::from_bytes(&b"x"[..]), 0);
    for answer in [vec![], vec![None, None], vec![Some(record.clone()), Some(record)]] {
        let faulty = Faulty { answer, fails: false };
        let store = SecretStore::new(Arc::new(faulty), keyring());
        let permit = permit(&user("alice"), "github");
        let error = store.open(&permit).read(&names(["TOKEN"])).await.unwrap_err();
        assert!(matches!(error, VaultError::Store(StoreError::Bug { .. })), "{error:?}");
    }
}
