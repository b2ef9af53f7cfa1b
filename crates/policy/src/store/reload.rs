//! From stores to the policy in force, again and again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, pending, select_all};
use tokio::sync::Mutex;

use super::{PolicyHandle, PolicyStore, ReloadError, StoreError};
use crate::policy::{Policy, PolicyBuilder};

/// How long to leave a store alone that cannot say whether it changed.
const RETRY: Duration = Duration::from_secs(5);

/// How long to wait after a reload that failed.
const PAUSE: Duration = Duration::from_millis(250);

/// Keeps the policy in force up to date with the stores that its rules come from.
///
/// All stores together make one policy, with the rules that the builder has itself. If one of them fails, or
/// a rule is wrong, the old policy stays in force as a whole.
///
/// ```
/// use std::sync::Arc;
/// use bonafide_policy::{MemoryStore, Policy, Reloader, Rule};
///
/// # async fn example() -> Result<(), bonafide_policy::ReloadError> {
/// let store = Arc::new(MemoryStore::new(vec![]));
/// let reloader = Arc::new(Reloader::start(Policy::builder(), vec![store.clone()]).await?);
/// let handle = reloader.handle().clone();
/// tokio::spawn(async move { reloader.run().await });
///
/// store.set(vec![Rule::allow("team").with_groups(["dev"]).with_tenants(["github"])]);
/// # let _ = handle.current();
/// # Ok(())
/// # }
/// ```
pub struct Reloader {
    base: PolicyBuilder,
    stores: Vec<Arc<dyn PolicyStore>>,
    handle: PolicyHandle,
    /// One reload at a time, so that what was read first is not put in force last.
    turn: Mutex<()>,
}

impl Reloader {
    /// Reads all stores and puts the policy in force.
    ///
    /// # Errors
    ///
    /// A [`ReloadError`] if that fails: there is no old policy to stay with.
    pub async fn start(
        base: PolicyBuilder,
        stores: Vec<Arc<dyn PolicyStore>>,
    ) -> Result<Self, ReloadError> {
        let policy = build(&base, &stores).await?;
        Ok(Self { base, stores, handle: PolicyHandle::new(policy), turn: Mutex::new(()) })
    }

    /// The policy in force.
    #[must_use]
    pub fn handle(&self) -> &PolicyHandle {
        &self.handle
    }

    /// Reads all stores now, as after `SIGHUP`. Says whether there is a new policy in force; why there is
    /// none is in the log and in [`PolicyHandle::status`].
    pub async fn reload(&self) -> bool {
        let _turn = self.turn.lock().await;
        match build(&self.base, &self.stores).await {
            Ok(policy) => {
                self.handle.replace(policy);
                true
            }
            Err(error) => {
                self.handle.refuse(&error);
                false
            }
        }
    }

    /// Reloads whenever a store changes, for ever.
    pub async fn run(&self) {
        loop {
            let changes: Vec<BoxFuture<'_, ()>> =
                self.stores.iter().map(|store| change(&**store).boxed()).collect();
            if changes.is_empty() {
                return pending().await;
            }
            select_all(changes).await;
            if !self.reload().await {
                // A store that fails half-way may go on saying that there is something new.
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn change(store: &dyn PolicyStore) {
    if let Err(error) = store.changed().await {
        tracing::warn!(%error, ?store, "a policy store cannot say whether it changed");
        tokio::time::sleep(RETRY).await;
    }
}

async fn build(
    base: &PolicyBuilder,
    stores: &[Arc<dyn PolicyStore>],
) -> Result<Policy, ReloadError> {
    let mut builder = base.clone();
    for store in stores {
        builder = builder.with_rules(store.load().await?);
    }
    // A hundred thousand rules take a good part of a second.
    let built = tokio::task::spawn_blocking(move || builder.build()).await;
    Ok(built.map_err(|_| StoreError::Stopped)??)
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader")
            .field("stores", &self.stores)
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}
