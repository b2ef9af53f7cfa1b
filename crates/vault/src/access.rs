//! The way to a user's secrets: through a permit.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use bonafide_claims::UserId;
use bonafide_policy::Permit;
use secrecy::SecretString;

use crate::keyring::Keyring;
use crate::name::SecretName;
use crate::owner::Owner;
use crate::seal::{OpenError, SealError, Sealer};
use crate::secrets::{SecretStatus, Secrets};
use crate::vault::{Record, StoreError, Vault};

/// A store and the keys to it. Cloning costs a few reference counts, and clones share their keys.
///
/// Opening it needs a [`Permit`], and gives the secrets of that permit's user for that permit's tenant and
/// no others.
#[derive(Clone)]
pub struct SecretStore {
    vault: Arc<dyn Vault>,
    sealer: Arc<ArcSwap<Sealer>>,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

/// Why a secret was not read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The store failed. Whether the secret is set is not known.
    #[error("the secrets cannot be read or written now")]
    Store(#[from] StoreError),
    /// A stored secret does not open. It is neither set nor unset: somebody has to look.
    #[error("the secret `{name}` does not open")]
    Sealed {
        /// Which one.
        name: SecretName,
        /// Why not.
        #[source]
        source: OpenError,
    },
    /// The value cannot be stored.
    #[error("the secret `{name}` cannot take this value")]
    Value {
        /// Which one.
        name: SecretName,
        /// Why not.
        #[source]
        source: SealError,
    },
}

impl SecretStore {
    /// The secrets in `vault`, sealed and opened with `keyring`.
    #[must_use]
    pub fn new(vault: Arc<dyn Vault>, keyring: Keyring) -> Self {
        Self {
            vault,
            sealer: Arc::new(ArcSwap::from_pointee(Sealer::new(keyring))),
            clock: Arc::new(SystemTime::now),
        }
    }

    /// Asks `clock` for the time that a secret was set at, instead of the system.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// The secrets of the permit's user for the permit's tenant.
    #[must_use]
    pub fn open<'a>(&'a self, permit: &'a Permit) -> UserVault<'a> {
        UserVault { store: self, owner: Owner::new(permit.user().id(), permit.tenant()) }
    }

    /// Removes all secrets of a user, for every tenant. Says how many there were.
    ///
    /// For administration: nothing is opened, so no permit is needed.
    ///
    /// # Errors
    ///
    /// [`VaultError::Store`]: some or all may still be there.
    pub async fn remove_user(&self, user: &UserId) -> Result<u64, VaultError> {
        Ok(self.vault.remove_user(user).await?)
    }

    /// Uses `keyring` from now on, in all clones.
    pub fn replace_keyring(&self, keyring: Keyring) {
        self.sealer.store(Arc::new(Sealer::new(keyring)));
    }

    /// The store behind this.
    #[must_use]
    pub fn vault(&self) -> &Arc<dyn Vault> {
        &self.vault
    }

    /// The sealer in use.
    #[must_use]
    pub fn sealer(&self) -> Arc<Sealer> {
        self.sealer.load_full()
    }

    fn unix_seconds(&self) -> u64 {
        let since = (self.clock)().duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs())
    }
}

impl fmt::Debug for SecretStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretStore")
            .field("vault", &self.vault)
            .field("keyring", self.sealer.load().keyring())
            .finish_non_exhaustive()
    }
}

/// The secrets of one user for one tenant, opened by a [`Permit`].
#[derive(Debug, Clone, Copy)]
pub struct UserVault<'a> {
    store: &'a SecretStore,
    owner: Owner<'a>,
}

impl UserVault<'_> {
    /// Reads and opens secrets: for each of `names`, in order, its value or that it is not set.
    ///
    /// # Errors
    ///
    /// All of them or none: [`VaultError::Store`] if the store fails, and [`VaultError::Sealed`] if one of
    /// them is stored and does not open.
    pub async fn read(&self, names: &[SecretName]) -> Result<Secrets, VaultError> {
        let records = self.records(names).await?;
        let sealer = self.store.sealer.load();
        let mut opener = sealer.opener(self.owner);
        let mut values = Vec::with_capacity(records.len());
        for (name, record) in names.iter().zip(&records) {
            let value = record.as_ref().map(|record| opener.open(name, record.envelope()));
            values.push(value.transpose().map_err(|source| sealed(name, source))?);
        }
        Ok(Secrets::new(values))
    }

    /// Seals `value` and stores it as `name`, in place of an earlier one. Durable when it returns.
    ///
    /// # Errors
    ///
    /// [`VaultError::Value`] if the value is empty or too long, and [`VaultError::Store`] if the store
    /// fails: the earlier value, if any, or this one is stored.
    pub async fn write(&self, name: &SecretName, value: SecretString) -> Result<(), VaultError> {
        let envelope = self.store.sealer.load().seal(self.owner, name, &value);
        let envelope =
            envelope.map_err(|source| VaultError::Value { name: name.clone(), source })?;
        let record = Record::new(envelope, self.store.unix_seconds());
        Ok(self.store.vault.write(self.owner, name, record).await?)
    }

    /// Removes the secret `name`. Says whether there was one.
    ///
    /// # Errors
    ///
    /// [`VaultError::Store`]: it may still be there.
    pub async fn remove(&self, name: &SecretName) -> Result<bool, VaultError> {
        Ok(self.store.vault.remove(self.owner, name).await?)
    }

    /// For each of `names`, in order, whether it is set and since when. Opens nothing.
    ///
    /// # Errors
    ///
    /// [`VaultError::Store`] if the store fails.
    pub async fn status(&self, names: &[SecretName]) -> Result<Vec<SecretStatus>, VaultError> {
        let records = self.records(names).await?;
        let pairs = names.iter().zip(&records);
        Ok(pairs.map(|(name, record)| SecretStatus::new(name.clone(), record.as_ref())).collect())
    }

    /// Everything that is set, also under names that nobody asks for any more. Opens nothing.
    ///
    /// # Errors
    ///
    /// [`VaultError::Store`] if the store fails.
    pub async fn list(&self) -> Result<Vec<SecretStatus>, VaultError> {
        let rows = self.store.vault.list(self.owner).await?;
        Ok(rows.into_iter().map(|(name, record)| SecretStatus::new(name, Some(&record))).collect())
    }

    async fn records(&self, names: &[SecretName]) -> Result<Vec<Option<Record>>, VaultError> {
        let records = self.store.vault.read(self.owner, names).await?;
        if records.len() != names.len() {
            let what = "it answered a read with more or fewer records than names";
            return Err(StoreError::Bug { what }.into());
        }
        Ok(records)
    }
}

fn sealed(name: &SecretName, source: OpenError) -> VaultError {
    VaultError::Sealed { name: name.clone(), source }
}
