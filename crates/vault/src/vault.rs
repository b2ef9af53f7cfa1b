//! What a store of sealed secrets has to do.

use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bonafide_claims::UserId;

use crate::envelope::Envelope;
use crate::name::SecretName;
use crate::owner::{Owner, SecretId};

/// A store of sealed secrets.
///
/// It only ever sees envelopes, and no key. It may be slow, lose connections and hold rows that somebody
/// tampered with: the sealing is what protects a secret, the store keeps it. Applications do not call this;
/// they open a [`SecretStore`](crate::SecretStore) with a permit.
///
/// What an implementation owes, and the `conformance` feature tests:
///
/// * Every part of the key counts, byte for byte: users who differ in the issuer, the directory or the
///   case of one letter are different users.
/// * Each change happens wholly or not at all, and is durable when the call returns. After an error, or
///   when the future is dropped, it has happened or it has not.
/// * A read that begins after a change has returned sees that change. Where the change was made elsewhere, by
///   another process or machine, a read may miss it for a time that the store documents.
/// * Bytes and times come back as they were written. Nothing is added, and nothing is made up for what is not
///   there. A time that is past means nothing to a store: expired rows are kept like all others.
#[async_trait]
pub trait Vault: fmt::Debug + Send + Sync + 'static {
    /// Reads several secrets of one owner by one call: for each of `names`, in order, what is stored.
    ///
    /// # Errors
    ///
    /// A [`StoreError`]; never an empty answer in its place.
    async fn read(
        &self,
        owner: Owner<'_>,
        names: &[SecretName],
    ) -> Result<Vec<Option<Record>>, StoreError>;

    /// Everything that is stored for one owner, sorted by name.
    ///
    /// # Errors
    ///
    /// A [`StoreError`]; never an empty answer in its place.
    async fn list(&self, owner: Owner<'_>) -> Result<Vec<(SecretName, Record)>, StoreError>;

    /// Stores one secret, in place of an earlier one.
    ///
    /// # Errors
    ///
    /// A [`StoreError`]: the earlier value, if any, or this one is stored.
    async fn write(
        &self,
        owner: Owner<'_>,
        name: &SecretName,
        record: Record,
    ) -> Result<(), StoreError>;

    /// Removes one secret. Says whether there was one.
    ///
    /// # Errors
    ///
    /// A [`StoreError`]: the secret may still be there.
    async fn remove(&self, owner: Owner<'_>, name: &SecretName) -> Result<bool, StoreError>;

    /// Removes all secrets of a user, for every tenant. Says how many there were.
    ///
    /// # Errors
    ///
    /// A [`StoreError`]: some or all may still be there.
    async fn remove_user(&self, user: &UserId) -> Result<u64, StoreError>;

    /// The first rows behind `after` in the order of their keys, at most `limit`; none when there are no more.
    ///
    /// The order is that of [`SecretId`]. The row `after` need not exist any more. Rows that are written
    /// meanwhile may or may not be seen; all others are seen once.
    ///
    /// # Errors
    ///
    /// A [`StoreError`]; never an empty page in its place.
    async fn scan(
        &self,
        after: Option<&SecretId>,
        limit: usize,
    ) -> Result<Vec<(SecretId, Record)>, StoreError>;

    /// Stores each of `changes` whose row still is as expected. Says for each, in order, whether it was.
    ///
    /// # Errors
    ///
    /// A [`StoreError`]: any of the changes may have been made.
    async fn replace(&self, changes: Vec<Replacement>) -> Result<Vec<bool>, StoreError>;
}

/// What is stored under one key: a sealed value, when it was set, and what else is known about it.
///
/// Only the value is sealed. The times are for people to read and for the gateway to act on, and whoever can
/// write to the store can alter them: make an expired secret last longer, or a good one look refused. They
/// never make a value open that would not, and never let anybody else have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    envelope: Envelope,
    unix_seconds: u64,
    expires: Option<u64>,
    refused: Option<u64>,
}

impl Record {
    /// A value that was set `unix_seconds` after the start of 1970, does not expire, and was not refused.
    #[must_use]
    pub fn new(envelope: Envelope, unix_seconds: u64) -> Self {
        Self { envelope, unix_seconds, expires: None, refused: None }
    }

    /// The same with the second, counted from the start of 1970, from which on it is not to be used any more.
    #[must_use]
    pub fn with_expiry(self, unix_seconds: Option<u64>) -> Self {
        Self { expires: unix_seconds, ..self }
    }

    /// The same with the second, counted from the start of 1970, at which a backend refused the value.
    #[must_use]
    pub fn with_refusal(self, unix_seconds: Option<u64>) -> Self {
        Self { refused: unix_seconds, ..self }
    }

    /// The same value in another envelope: nothing else changes when it is sealed again.
    #[must_use]
    pub fn with_envelope(self, envelope: Envelope) -> Self {
        Self { envelope, ..self }
    }

    /// The sealed value.
    #[must_use]
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    pub(crate) fn into_envelope(self) -> Envelope {
        self.envelope
    }

    /// When the value was set, in seconds since the start of 1970.
    #[must_use]
    pub fn unix_seconds(&self) -> u64 {
        self.unix_seconds
    }

    /// From when on the value is not to be used, in seconds since the start of 1970.
    #[must_use]
    pub fn expires_unix_seconds(&self) -> Option<u64> {
        self.expires
    }

    /// When a backend refused the value, in seconds since the start of 1970.
    #[must_use]
    pub fn refused_unix_seconds(&self) -> Option<u64> {
        self.refused
    }

    /// When the value was set.
    #[must_use]
    pub fn updated_at(&self) -> SystemTime {
        time(self.unix_seconds)
    }

    /// From when on the value is not to be used.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.expires.map(time)
    }

    /// When a backend refused the value.
    #[must_use]
    pub fn refused_at(&self) -> Option<SystemTime> {
        self.refused.map(time)
    }

    /// Whether the value is not to be used any more. A clock that does not know the time (`None`) leaves no
    /// value that expires.
    pub(crate) fn is_expired(&self, now: impl FnOnce() -> Option<u64>) -> bool {
        self.expires.is_some_and(|expires| now().is_none_or(|now| now >= expires))
    }
}

fn time(unix_seconds: u64) -> SystemTime {
    let since = Duration::from_secs(unix_seconds);
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// A row to be replaced, on one condition.
#[derive(Debug, Clone)]
pub struct Replacement {
    /// Which row.
    pub id: SecretId,
    /// The envelope that must be there; `None`: there must be no such row.
    pub expected: Option<Envelope>,
    /// What is to be stored.
    pub record: Record,
}

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store could not be reached, was too busy, or failed. Trying again later may help.
    #[error("the store is not available")]
    Unavailable {
        /// What the store said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The store holds something that this crate does not write.
    #[error("the store is damaged: {what}")]
    Damaged {
        /// What is wrong, without any value.
        what: &'static str,
    },
    /// The store answered with something that does not fit the question: a bug.
    #[error("the store broke its contract: {what}")]
    Bug {
        /// What does not fit, without any value.
        what: &'static str,
    },
}

impl StoreError {
    /// The store is not available, because of `source`.
    ///
    /// # Security
    ///
    /// What `source` says ends up in logs: it must not hold a value, sealed or not.
    #[must_use]
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable { source: source.into() }
    }
}
