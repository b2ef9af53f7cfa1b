//! The way to a user's secrets: through a permit.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use bonafide_claims::UserId;
use bonafide_policy::Permit;
use secrecy::SecretString;

use crate::envelope::Envelope;
use crate::keyring::Keyring;
use crate::name::SecretName;
use crate::owner::{Owner, SecretId};
use crate::seal::{OpenError, SealError, Sealer};
use crate::secrets::{Opened, SecretStatus, Secrets};
use crate::vault::{Record, Replacement, StoreError, Vault};

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
    /// The value would have expired when it is stored.
    #[error("the secret `{name}` would have expired already: give a time to come")]
    Expired {
        /// Which one.
        name: SecretName,
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

    /// Asks `clock` for the time, instead of the system: when a secret is set, and whether it has expired.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// Seals nothing from now on: the store gets the values as they are. What was sealed before still opens.
    ///
    /// For a store that encrypts by itself and whose administrators may read every value, such as OpenBao where
    /// other programs have to read the same entries.
    ///
    /// # Security
    ///
    /// The chain of proofs ends at the store. Whoever can read its rows has every value: so has code in this process that
    /// holds the [`Vault`], without a permit. Nothing notices a value that was altered, or moved to another user,
    /// tenant or name. Such secrets are not [exported](crate::admin::export), and do not open when
    /// sealing is on again: their users enter them again.
    #[must_use]
    pub fn dangerous_without_sealing(self) -> Self {
        let keyring = self.sealer.load().keyring().clone();
        Self { sealer: Arc::new(ArcSwap::from_pointee(Sealer::unsealing(keyring))), ..self }
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
        self.sealer.rcu(|sealer| Arc::new(sealer.with_keyring(keyring.clone())));
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

    /// `None` if the clock stands before 1970, and so does not know the time.
    fn now(&self) -> Option<u64> {
        unix_seconds((self.clock)())
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
    /// Reads and opens secrets: for each of `names`, in order, its value or that it is not set. What has
    /// expired is not set.
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
        for (name, record) in names.iter().zip(records) {
            let valid = record.filter(|record| !record.is_expired(|| self.store.now()));
            let opened = valid.map(|record| {
                let value = opener.open(name, record.envelope())?;
                Ok(Opened { value, envelope: record.into_envelope() })
            });
            values.push(opened.transpose().map_err(|source| sealed(name, source))?);
        }
        Ok(Secrets::new(values))
    }

    /// Seals `value` and stores it as `name`, in place of an earlier one. Durable when it returns. It does not
    /// expire, and that an earlier value was refused is forgotten.
    ///
    /// # Errors
    ///
    /// [`VaultError::Value`] if the value is empty or too long, and [`VaultError::Store`] if the store
    /// fails: the earlier value, if any, or this one is stored.
    pub async fn write(&self, name: &SecretName, value: SecretString) -> Result<(), VaultError> {
        self.store_value(name, value, None).await
    }

    /// As [`write`](Self::write), for a value that is not used any more from `expires_at` on, to the second.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write), and [`VaultError::Expired`] if `expires_at` is not in the future.
    ///
    /// # Security
    ///
    /// The expiry is not sealed: whoever can write to the store can remove it. What must end at that time has
    /// to end at the backend.
    pub async fn write_until(
        &self,
        name: &SecretName,
        value: SecretString,
        expires_at: SystemTime,
    ) -> Result<(), VaultError> {
        let expires = unix_seconds(expires_at);
        // Not known counts as past, on either side.
        if expires.is_none_or(|expires| self.store.now().is_none_or(|now| now >= expires)) {
            return Err(VaultError::Expired { name: name.clone() });
        }
        self.store_value(name, value, expires).await
    }

    async fn store_value(
        &self,
        name: &SecretName,
        value: SecretString,
        expires: Option<u64>,
    ) -> Result<(), VaultError> {
        let envelope = self.store.sealer.load().seal(self.owner, name, &value);
        let envelope =
            envelope.map_err(|source| VaultError::Value { name: name.clone(), source })?;
        let record = Record::new(envelope, self.store.now().unwrap_or_default());
        Ok(self.store.vault.write(self.owner, name, record.with_expiry(expires)).await?)
    }

    /// Notes that the backend refused the value that was in the envelope `used`, so that its user can be told.
    /// It stays set, and is used again: only a [`write`](Self::write) clears the note. Says whether the
    /// note stands.
    ///
    /// It does not if the secret was changed or removed since it was read: what was refused is not what is
    /// stored. A value that is noted already costs a read and no write, and keeps the time of its first refusal.
    ///
    /// # Errors
    ///
    /// [`VaultError::Store`] if the store fails.
    pub async fn mark_refused(
        &self,
        name: &SecretName,
        used: &Envelope,
    ) -> Result<bool, VaultError> {
        let stored = self.records(std::slice::from_ref(name)).await?.into_iter().flatten().next();
        let Some(record) = stored.filter(|record| record.envelope() == used) else {
            return Ok(false);
        };
        if record.refused_unix_seconds().is_some() {
            return Ok(true);
        }
        let (user, tenant) = (self.owner.user().clone(), self.owner.tenant().clone());
        let change = Replacement {
            id: SecretId::new(user, tenant, name.clone()),
            // A value that its user sets at this moment is another envelope, and stays as it is.
            expected: Some(used.clone()),
            record: record.with_refusal(Some(self.store.now().unwrap_or_default())),
        };
        Ok(self.store.vault.replace(vec![change]).await?.first() == Some(&true))
    }

    /// Removes the secret `name`. Says whether there was one.
    ///
    /// # Errors
    ///
    /// [`VaultError::Store`]: it may still be there.
    pub async fn remove(&self, name: &SecretName) -> Result<bool, VaultError> {
        Ok(self.store.vault.remove(self.owner, name).await?)
    }

    /// For each of `names`, in order, whether it is set, since when and until when. Opens nothing.
    ///
    /// # Errors
    ///
    /// [`VaultError::Store`] if the store fails.
    pub async fn status(&self, names: &[SecretName]) -> Result<Vec<SecretStatus>, VaultError> {
        let records = self.records(names).await?;
        let (pairs, now) = (names.iter().zip(&records), self.store.now());
        let status = |(name, record): (&SecretName, &Option<Record>)| {
            SecretStatus::new(name.clone(), record.as_ref(), now)
        };
        Ok(pairs.map(status).collect())
    }

    /// Everything that is stored, also under names that nobody asks for any more, and what has expired. Opens
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`VaultError::Store`] if the store fails.
    pub async fn list(&self) -> Result<Vec<SecretStatus>, VaultError> {
        let rows = self.store.vault.list(self.owner).await?;
        let now = self.store.now();
        let status = |(name, record)| SecretStatus::new(name, Some(&record), now);
        Ok(rows.into_iter().map(status).collect())
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

fn unix_seconds(time: SystemTime) -> Option<u64> {
    time.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs())
}
