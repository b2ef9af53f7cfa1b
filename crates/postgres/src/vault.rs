//! The store of secrets.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bonafide_claims::UserId;
use bonafide_vault::{
    Lookup, Owner, Record, Replacement, SecretId, SecretName, Shelf, StoreError, Vault,
};

use crate::cache::SharedCache;
use crate::pool::Postgres;
use crate::rows;

/// How many owners a vault keeps rows of in memory, unless told otherwise.
pub const DEFAULT_CACHED_OWNERS: usize = 16 * 1024;

/// Sealed secrets in PostgreSQL, shared by many gateways.
///
/// All rows of a user for a tenant are read by one statement and kept, sealed. A change through this value is
/// seen by it at once; one by another gateway, or by somebody with SQL, usually within some milliseconds, and
/// always within [`MAX_STALENESS`](crate::MAX_STALENESS).
pub struct PostgresVault {
    postgres: Postgres,
    cache: Option<Arc<SharedCache>>,
}

impl PostgresVault {
    pub(crate) fn new(postgres: Postgres) -> Self {
        Self { postgres, cache: None }.with_cached_owners(DEFAULT_CACHED_OWNERS)
    }

    /// Keeps rows of about `owners` pairs of user and tenant in memory, sealed; none if it is 0. The
    /// default is [`DEFAULT_CACHED_OWNERS`].
    #[must_use]
    pub fn with_cached_owners(self, owners: usize) -> Self {
        let cache = (owners > 0).then(|| Arc::new(SharedCache::new(owners)));
        cache.iter().for_each(|cache| self.postgres.hub().add(cache));
        Self { cache, ..self }
    }

    /// The database.
    #[must_use]
    pub fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    /// All rows of one owner.
    async fn shelf(&self, owner: Owner<'_>) -> Result<Shelf, StoreError> {
        let Some(cache) = &self.cache else {
            return rows::shelf(&self.postgres, owner).await;
        };
        let hears = self.postgres.listening().hears();
        match cache.lookup(owner) {
            Lookup::Hit(shelf) if hears => Ok(shelf),
            Lookup::Hit(_) => rows::shelf(&self.postgres, owner).await,
            Lookup::Miss(ticket) => {
                let shelf = rows::shelf(&self.postgres, owner).await?;
                cache.fill(ticket, owner, &shelf);
                Ok(shelf)
            }
        }
    }

    /// Forgets rows when what this returns is dropped: whether a change succeeds, fails, or nobody waits for it.
    fn changing<F: Fn(&SharedCache)>(&self, forget: F) -> Forget<'_, F> {
        Forget { cache: self.cache.as_deref(), forget }
    }
}

struct Forget<'a, F: Fn(&SharedCache)> {
    cache: Option<&'a SharedCache>,
    forget: F,
}

impl<F: Fn(&SharedCache)> Drop for Forget<'_, F> {
    fn drop(&mut self) {
        if let Some(cache) = self.cache {
            (self.forget)(cache);
        }
    }
}

#[async_trait]
impl Vault for PostgresVault {
    async fn read(
        &self,
        owner: Owner<'_>,
        names: &[SecretName],
    ) -> Result<Vec<Option<Record>>, StoreError> {
        Ok(self.shelf(owner).await?.read(names))
    }

    async fn list(&self, owner: Owner<'_>) -> Result<Vec<(SecretName, Record)>, StoreError> {
        Ok(self.shelf(owner).await?.list())
    }

    async fn write(
        &self,
        owner: Owner<'_>,
        name: &SecretName,
        record: Record,
    ) -> Result<(), StoreError> {
        let _changing = self.changing(|cache| cache.forget(owner));
        rows::write(&self.postgres, owner, name, &record).await
    }

    async fn remove(&self, owner: Owner<'_>, name: &SecretName) -> Result<bool, StoreError> {
        let _changing = self.changing(|cache| cache.forget(owner));
        rows::remove(&self.postgres, owner, name).await
    }

    async fn remove_user(&self, user: &UserId) -> Result<u64, StoreError> {
        let _changing = self.changing(SharedCache::forget_all);
        rows::remove_user(&self.postgres, user).await
    }

    async fn scan(
        &self,
        after: Option<&SecretId>,
        limit: usize,
    ) -> Result<Vec<(SecretId, Record)>, StoreError> {
        rows::page(&self.postgres, after, limit).await
    }

    async fn replace(&self, changes: Vec<Replacement>) -> Result<Vec<bool>, StoreError> {
        let _changing = self.changing(|cache| {
            changes.iter().for_each(|change| cache.forget(change.id.owner()));
        });
        let mut made = Vec::with_capacity(changes.len());
        for distinct in runs(&changes) {
            made.extend(rows::replace(&self.postgres, &distinct).await?);
        }
        Ok(made)
    }
}

/// Changes in their order, in as few runs as it takes so that no run has two of the same row.
fn runs(changes: &[Replacement]) -> Vec<Vec<&Replacement>> {
    let mut runs = Vec::new();
    let (mut run, mut seen) = (Vec::new(), HashSet::new());
    for change in changes {
        if !seen.insert(&change.id) {
            runs.push(std::mem::take(&mut run));
            seen.clear();
            seen.insert(&change.id);
        }
        run.push(change);
    }
    if !run.is_empty() {
        runs.push(run);
    }
    runs
}

/// Shows the address, and the size of the cache.
impl fmt::Debug for PostgresVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresVault")
            .field("address", self.postgres.address())
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}
