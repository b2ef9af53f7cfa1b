//! A store that forgets.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use bonafide_claims::UserId;
use bonafide_policy::TenantId;

use crate::name::SecretName;
use crate::owner::{Owner, SecretId};
use crate::vault::{Record, Replacement, StoreError, Vault};

/// A store in memory, for tests, demonstrations, and gateways whose users do not mind entering their
/// credentials again after a restart. Sealed like every other.
#[derive(Default)]
pub struct MemoryVault {
    users: RwLock<Users>,
}

type Users = BTreeMap<UserId, BTreeMap<TenantId, Shelf>>;
type Shelf = BTreeMap<SecretName, Record>;

impl MemoryVault {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    // No code here panics while it holds the lock, and every change is one insertion or removal: what a
    // poisoned lock guards is whole.
    fn shared(&self) -> RwLockReadGuard<'_, Users> {
        self.users.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn exclusive(&self) -> RwLockWriteGuard<'_, Users> {
        self.users.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shelf<'a>(users: &'a Users, owner: Owner<'_>) -> Option<&'a Shelf> {
    users.get(owner.user())?.get(owner.tenant())
}

fn insert(users: &mut Users, owner: Owner<'_>, name: &SecretName, record: Record) {
    let tenants = users.entry(owner.user().clone()).or_default();
    tenants.entry(owner.tenant().clone()).or_default().insert(name.clone(), record);
}

#[async_trait]
impl Vault for MemoryVault {
    async fn read(
        &self,
        owner: Owner<'_>,
        names: &[SecretName],
    ) -> Result<Vec<Option<Record>>, StoreError> {
        let users = self.shared();
        let shelf = shelf(&users, owner);
        Ok(names.iter().map(|name| shelf?.get(name).cloned()).collect())
    }

    async fn list(&self, owner: Owner<'_>) -> Result<Vec<(SecretName, Record)>, StoreError> {
        let users = self.shared();
        let shelf = shelf(&users, owner).into_iter().flatten();
        Ok(shelf.map(|(name, record)| (name.clone(), record.clone())).collect())
    }

    async fn write(
        &self,
        owner: Owner<'_>,
        name: &SecretName,
        record: Record,
    ) -> Result<(), StoreError> {
        insert(&mut self.exclusive(), owner, name, record);
        Ok(())
    }

    async fn remove(&self, owner: Owner<'_>, name: &SecretName) -> Result<bool, StoreError> {
        let mut users = self.exclusive();
        let Some(tenants) = users.get_mut(owner.user()) else { return Ok(false) };
        let Some(shelf) = tenants.get_mut(owner.tenant()) else { return Ok(false) };
        let removed = shelf.remove(name).is_some();
        if shelf.is_empty() {
            tenants.remove(owner.tenant());
        }
        if tenants.is_empty() {
            users.remove(owner.user());
        }
        Ok(removed)
    }

    async fn remove_user(&self, user: &UserId) -> Result<u64, StoreError> {
        let removed = self.exclusive().remove(user).unwrap_or_default();
        Ok(removed.values().map(|shelf| shelf.len() as u64).sum())
    }

    async fn scan(
        &self,
        after: Option<&SecretId>,
        limit: usize,
    ) -> Result<Vec<(SecretId, Record)>, StoreError> {
        let users = self.shared();
        let first = after.map_or(Bound::Unbounded, |id| Bound::Included(id.owner().user()));
        let rows =
            users.range::<UserId, _>((first, Bound::Unbounded)).flat_map(|(user, tenants)| {
                tenants.iter().flat_map(move |(tenant, shelf)| {
                    shelf.iter().map(move |(name, record)| (Owner::new(user, tenant), name, record))
                })
            });
        let behind = |owner: Owner<'_>, name: &SecretName| {
            after.is_none_or(|after| (owner, name) > (after.owner(), after.name()))
        };
        Ok(rows
            .filter(|(owner, name, _)| behind(*owner, name))
            .take(limit)
            .map(|(owner, name, record)| {
                let (user, tenant) = (owner.user().clone(), owner.tenant().clone());
                (SecretId::new(user, tenant, name.clone()), record.clone())
            })
            .collect())
    }

    async fn replace(&self, changes: Vec<Replacement>) -> Result<Vec<bool>, StoreError> {
        let mut users = self.exclusive();
        let made = changes.into_iter().map(|change| {
            let (owner, name) = (change.id.owner(), change.id.name());
            let stored = shelf(&users, owner).and_then(|shelf| shelf.get(name));
            let fits = stored.map(Record::envelope) == change.expected.as_ref();
            if fits {
                insert(&mut users, owner, name, change.record);
            }
            fits
        });
        Ok(made.collect())
    }
}

/// Shows how many users have secrets.
impl fmt::Debug for MemoryVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryVault").field("users", &self.shared().len()).finish_non_exhaustive()
    }
}
