//! The way to a secret: a token, a decision, a permit.

#![expect(clippy::unwrap_used, reason = "a failing test stops there")]

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bonafide_claims::{UserId, VerifiedUser};
use bonafide_policy::{Permit, Policy, Rule};
use bonafide_testkit::Issuer;
use bonafide_vault::admin::{self, TransferError};
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

/// A store whose clock shows what it is told.
fn store_at(clock: &Arc<AtomicU64>) -> SecretStore {
    let clock = Arc::clone(clock);
    let time = move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::SeqCst));
    store().1.with_clock(time)
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[tokio::test]
async fn what_has_expired_reads_as_not_set_and_says_so() {
    let clock = Arc::new(AtomicU64::new(1000));
    let store = store_at(&clock);
    let permit = permit(&user("alice"), "github");
    let (vault, names) = (store.open(&permit), names(["A", "B"]));
    vault.write(&names[0], secret("lasts")).await.unwrap();
    vault.write_until(&names[1], secret("ends"), at(1060)).await.unwrap();
    clock.store(1059, Ordering::SeqCst);
    assert_eq!(exposed(vault.read(&names).await.unwrap().get(1)), Some("ends"));
    for status in vault.status(&names).await.unwrap() {
        assert_eq!(
            (status.is_set(), status.is_expired(), status.needs_attention()),
            (true, false, false)
        );
    }
    clock.store(1060, Ordering::SeqCst);
    let read = vault.read(&names).await.unwrap();
    assert_eq!((exposed(read.get(0)), exposed(read.get(1))), (Some("lasts"), None));
    assert!(read.envelope(1).is_none());
    let status = vault.status(&names).await.unwrap();
    assert_eq!(vault.list().await.unwrap(), status);
    assert!(status[0].is_set() && !status[0].needs_attention() && status[0].expires_at().is_none());
    assert!(!status[1].is_set() && status[1].is_expired() && status[1].needs_attention());
    assert_eq!((status[1].updated_at(), status[1].expires_at()), (Some(at(1000)), Some(at(1060))));
    // A write makes it a new one, and without an expiry it has none.
    vault.write(&names[1], secret("again")).await.unwrap();
    clock.store(u64::from(u32::MAX), Ordering::SeqCst);
    assert_eq!(exposed(vault.read(&names).await.unwrap().get(1)), Some("again"));
}

#[tokio::test]
async fn refuses_an_expiry_that_is_past() {
    let clock = Arc::new(AtomicU64::new(1000));
    let store = store_at(&clock);
    let permit = permit(&user("alice"), "github");
    let (vault, [name]) = (store.open(&permit), names(["TOKEN"]));
    for past in [at(1000), at(999), at(0), UNIX_EPOCH - Duration::from_secs(1)] {
        let error = vault.write_until(&name, secret("canary"), past).await.unwrap_err();
        assert!(matches!(error, VaultError::Expired { .. }), "{error:?}");
        assert!(!everything_said_by(&error).contains("canary"));
    }
    assert!(vault.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_clock_that_does_not_know_the_time_leaves_no_secret_that_expires() {
    let (memory, store) = store();
    let permit = permit(&user("alice"), "github");
    let names = names(["A", "B"]);
    store.open(&permit).write(&names[0], secret("a")).await.unwrap();
    let tomorrow = SystemTime::now() + Duration::from_secs(86_400);
    store.open(&permit).write_until(&names[1], secret("b"), tomorrow).await.unwrap();
    let broken = store.clone().with_clock(|| UNIX_EPOCH - Duration::from_secs(1));
    let read = broken.open(&permit).read(&names).await.unwrap();
    assert_eq!((exposed(read.get(0)), exposed(read.get(1))), (Some("a"), None));
    let error = broken.open(&permit).write_until(&names[1], secret("b"), tomorrow).await;
    assert!(matches!(error, Err(VaultError::Expired { .. })));
    drop(memory);
}

#[tokio::test]
async fn a_refusal_is_noted_until_the_next_write() {
    let clock = Arc::new(AtomicU64::new(1000));
    let store = store_at(&clock);
    let permit = permit(&user("alice"), "github");
    let (vault, names) = (store.open(&permit), names(["TOKEN", "OTHER"]));
    vault.write_until(&names[0], secret("old"), at(5000)).await.unwrap();
    vault.write(&names[1], secret("other")).await.unwrap();
    let used = vault.read(&names).await.unwrap().envelope(0).unwrap().clone();
    for (now, first) in [(1001, 1001), (1002, 1001)] {
        clock.store(now, Ordering::SeqCst);
        assert!(vault.mark_refused(&names[0], &used).await.unwrap());
        let status = vault.status(&names).await.unwrap();
        assert_eq!(status[0].refused_at(), Some(at(first)), "the first refusal counts");
        assert!(status[0].is_set() && status[0].needs_attention());
        assert_eq!(
            (status[0].updated_at(), status[0].expires_at()),
            (Some(at(1000)), Some(at(5000)))
        );
        assert!(!status[1].needs_attention());
    }
    assert_eq!(exposed(vault.read(&names).await.unwrap().get(0)), Some("old"), "still used");
    // An envelope of something else notes nothing.
    assert!(!vault.mark_refused(&names[1], &used).await.unwrap());
    vault.write(&names[0], secret("new")).await.unwrap();
    assert!(!vault.status(&names).await.unwrap()[0].needs_attention());
}

/// A request is under way with the old value while its user enters a new one.
#[tokio::test]
async fn the_refusal_of_an_earlier_value_does_not_mark_the_new_one() {
    let (_, store) = store();
    let permit = permit(&user("alice"), "github");
    let (vault, names) = (store.open(&permit), names(["TOKEN"]));
    vault.write(&names[0], secret("the same")).await.unwrap();
    let used = vault.read(&names).await.unwrap().envelope(0).unwrap().clone();
    vault.write(&names[0], secret("the same")).await.unwrap();
    assert!(!vault.mark_refused(&names[0], &used).await.unwrap());
    assert!(!vault.status(&names).await.unwrap()[0].needs_attention());
    assert!(vault.remove(&names[0]).await.unwrap());
    assert!(!vault.mark_refused(&names[0], &used).await.unwrap());
    assert!(vault.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn without_sealing_values_are_stored_as_they_are_and_open_there_only() {
    let (memory, sealing) = store();
    let permit = permit(&user("alice"), "github");
    let names = names(["SEALED", "PLAIN"]);
    sealing.open(&permit).write(&names[0], secret("sealed value")).await.unwrap();
    let plain = sealing.clone().dangerous_without_sealing();
    plain.open(&permit).write(&names[1], secret("plain value")).await.unwrap();
    let read = plain.open(&permit).read(&names).await.unwrap();
    assert_eq!(exposed(read.get(0)), Some("sealed value"));
    assert_eq!(exposed(read.get(1)), Some("plain value"));
    let rows = memory.scan(None, 10).await.unwrap();
    assert_eq!(rows[0].1.envelope().unsealed(), Some("plain value"));
    assert!(!format!("{rows:?} {plain:?} {read:?}").contains("plain value"));

    // Nobody makes a vault that seals take what is not sealed.
    let error = sealing.open(&permit).read(&names).await.unwrap_err();
    let VaultError::Sealed { source: OpenError::Version { version: 0 }, .. } = error else {
        panic!("{error:?}")
    };
    let (vault, sealer) = (&**sealing.vault(), sealing.sealer());
    let report = admin::verify(vault, &sealer, |_| {}).await.unwrap();
    assert_eq!((report.refused, report.unsealed), (1, 0));
    assert_eq!(admin::rewrap(vault, &sealer, |_| {}).await.unwrap().refused, 1);
    // And nothing in the clear gets into a file.
    let mut file = Vec::new();
    let error = admin::export(vault, &mut file, None, |_| {}).await.unwrap_err();
    assert!(matches!(error, TransferError::Unsealed));
    assert!(!String::from_utf8(file).unwrap().contains("plain value"));

    let sealer = plain.sealer();
    assert_eq!(admin::rewrap(vault, &sealer, |_| {}).await.unwrap().rewrapped, 1);
    assert_eq!(admin::rewrap(vault, &sealer, |_| {}).await.unwrap().current, 2);
    let report = admin::verify(vault, &sealer, |_| {}).await.unwrap();
    assert_eq!((report.unsealed, report.is_good()), (2, true));
    plain.replace_keyring(keyring());
    assert_eq!(plain.open(&permit).read(&names).await.unwrap().len(), 2, "still without sealing");
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
        vault.mark_refused(&name, &Envelope::from_bytes(&b"x"[..])).await.map(drop).unwrap_err(),
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
