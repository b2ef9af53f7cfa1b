//! All values of a form, or none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bonafide_claims::UserId;
use bonafide_vault::{
    Envelope, MemoryVault, Owner, Record, Replacement, SecretId, SecretName, StoreError, Vault,
};

use crate::browser::{Browser, Page};
use crate::world::{CANARY, World};

/// A store in which something goes wrong.
#[derive(Debug, Default)]
struct Troubled {
    inner: MemoryVault,
    /// How many replacements come to nothing as a whole.
    broken: AtomicUsize,
    /// Before how many replacements somebody else changes `TEAM`.
    contended: AtomicUsize,
    writes: AtomicUsize,
    /// Changes are made, and nobody is told.
    silent: AtomicBool,
}

impl Troubled {
    async fn answer(&self) {
        if self.silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }
}

fn take(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| count.checked_sub(1)).is_ok()
}

#[async_trait]
impl Vault for Troubled {
    async fn read(
        &self,
        owner: Owner<'_>,
        names: &[SecretName],
    ) -> Result<Vec<Option<Record>>, StoreError> {
        self.inner.read(owner, names).await
    }

    async fn list(&self, owner: Owner<'_>) -> Result<Vec<(SecretName, Record)>, StoreError> {
        self.inner.list(owner).await
    }

    async fn write(
        &self,
        owner: Owner<'_>,
        name: &SecretName,
        record: Record,
    ) -> Result<(), StoreError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.inner.write(owner, name, record).await
    }

    async fn remove(&self, owner: Owner<'_>, name: &SecretName) -> Result<bool, StoreError> {
        let removed = self.inner.remove(owner, name).await;
        self.answer().await;
        removed
    }

    async fn remove_user(&self, user: &UserId) -> Result<u64, StoreError> {
        let removed = self.inner.remove_user(user).await;
        self.answer().await;
        removed
    }

    async fn scan(
        &self,
        after: Option<&SecretId>,
        limit: usize,
    ) -> Result<Vec<(SecretId, Record)>, StoreError> {
        self.inner.scan(after, limit).await
    }

    async fn replace(&self, changes: Vec<Replacement>) -> Result<Vec<bool>, StoreError> {
        if take(&self.broken) {
            return Err(StoreError::unavailable("the connection broke"));
        }
        let left = self.contended.load(Ordering::SeqCst);
        if take(&self.contended)
            && let Some(team) = changes.iter().find(|change| change.id.name().as_str() == "TEAM")
        {
            let other = Record::new(Envelope::from_bytes(vec![left as u8; 64]), 1);
            self.inner.write(team.id.owner(), team.id.name(), other).await?;
        }
        let made = self.inner.replace(changes).await;
        self.answer().await;
        made
    }
}

async fn save(browser: &mut Browser, team: &str) -> Page {
    let csrf = browser.get("/connections/three").await.csrf();
    let fields = [("csrf", &*csrf), ("v-KEY", CANARY), ("v-REGION", "eu"), ("v-TEAM", team)];
    browser.post("/connections/three", &fields).await
}

#[tokio::test]
async fn a_form_whose_store_fails_leaves_nothing_behind() {
    let vault = Arc::new(Troubled::default());
    let world = World::start_on(vault.clone()).await;
    let mut alice = world.signed_in("alice").await;
    vault.broken.store(1, Ordering::SeqCst);
    let page = save(&mut alice, "blue").await;
    assert!(page.status == 503 && page.has("cannot be reached right now"), "{}", page.body);
    assert!(vault.scan(None, 10).await.unwrap().is_empty());
    assert_eq!(save(&mut alice, "blue").await.status, 303);
    assert_eq!(vault.scan(None, 10).await.unwrap().len(), 3);
    assert_eq!(vault.writes.load(Ordering::SeqCst), 0, "a value was stored by itself");
    let failed = ["KEY", "REGION", "TEAM"].map(|name| format!("enter three {name} failed"));
    let stored = ["KEY", "REGION", "TEAM"].map(|name| format!("enter three {name}"));
    assert_eq!(world.done_by("alice").await[1..], [failed, stored].concat());
}

#[tokio::test]
async fn a_value_that_is_changed_at_the_same_moment_is_replaced_all_the_same() {
    let vault = Arc::new(Troubled::default());
    let world = World::start_on(vault.clone()).await;
    let mut alice = world.signed_in("alice").await;
    vault.contended.store(2, Ordering::SeqCst);
    assert_eq!(save(&mut alice, "blue").await.status, 303);
    let page = alice.get("/connections/three").await;
    assert!(page.has("value=\"blue\"") && page.has("Ready"), "{}", page.body);
    let done = world.done_by("alice").await;
    assert_eq!(done[1..], ["enter three KEY", "enter three REGION", "replace three TEAM"]);
    // One that is changed again and again is an error and not for ever.
    vault.contended.store(usize::MAX, Ordering::SeqCst);
    assert_eq!(save(&mut alice, "red").await.status, 503);
}

/// Whoever hangs up in the middle of a change has made it all the same, and it is known who.
#[tokio::test]
async fn a_change_is_written_down_though_nobody_waits_for_it() {
    let vault = Arc::new(Troubled::default());
    let world = World::start_on(vault.clone()).await;
    let (mut alice, mut root) = (world.signed_in("alice").await, world.signed_in("root").await);
    let csrf = root.get("/connections/-/users").await.csrf();
    vault.silent.store(true, Ordering::SeqCst);
    let soon = Duration::from_millis(200);
    assert!(tokio::time::timeout(soon, save(&mut alice, "blue")).await.is_err());
    let all = [
        ("csrf", &*csrf),
        ("issuer", world.idp.issuer()),
        ("directory", ""),
        ("subject", "alice"),
        ("all", "yes"),
    ];
    let remove = root.post("/connections/-/user", &all);
    assert!(tokio::time::timeout(soon, remove).await.is_err());
    assert!(vault.scan(None, 10).await.unwrap().is_empty(), "it was made");
    assert_eq!(world.done_by("root").await, ["sign_in", "remove_user alice failed"]);
    let entered = ["KEY", "REGION", "TEAM"].map(|name| format!("enter three {name} failed"));
    assert_eq!(world.done_by("alice").await[1..], entered);
}
