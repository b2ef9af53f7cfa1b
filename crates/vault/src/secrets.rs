//! What comes out of the vault.

use std::fmt;
use std::time::SystemTime;

use secrecy::SecretString;

use crate::envelope::Envelope;
use crate::key::KeyId;
use crate::name::SecretName;
use crate::vault::Record;

/// Opened secrets of one user for one tenant, by the position of their names in the question.
///
/// Not `Clone` and not `Serialize`: they go to the renderer of headers and nowhere else, and are wiped
/// from memory when this is dropped.
pub struct Secrets {
    values: Vec<Option<Opened>>,
}

/// A value, and the envelope that it came out of.
pub(crate) struct Opened {
    pub(crate) value: SecretString,
    pub(crate) envelope: Envelope,
}

impl Secrets {
    pub(crate) fn new(values: Vec<Option<Opened>>) -> Self {
        Self { values }
    }

    /// The value of the name that was asked for at `index`; `None` if it is not set, or has expired.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&SecretString> {
        self.opened(index).map(|opened| &opened.value)
    }

    /// The envelope of that value, to be kept by who may have to say later that this value was refused:
    /// [`UserVault::mark_refused`](crate::UserVault::mark_refused). It is sealed, so it may outlive the value
    /// (without sealing, it is the value).
    #[must_use]
    pub fn envelope(&self, index: usize) -> Option<&Envelope> {
        self.opened(index).map(|opened| &opened.envelope)
    }

    fn opened(&self, index: usize) -> Option<&Opened> {
        self.values.get(index)?.as_ref()
    }

    /// How many names were asked for.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether no name was asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// Shows how many there are and how many of them are set.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = self.values.iter().flatten().count();
        f.debug_struct("Secrets").field("len", &self.len()).field("set", &set).finish()
    }
}

/// Whether a secret is set, since when, until when, and under which master key; never what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretStatus {
    name: SecretName,
    stored: Option<Stored>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stored {
    updated_at: SystemTime,
    expires_at: Option<SystemTime>,
    expired: bool,
    refused_at: Option<SystemTime>,
    key_id: Option<KeyId>,
}

impl SecretStatus {
    pub(crate) fn new(name: SecretName, record: Option<&Record>, now: Option<u64>) -> Self {
        let stored = record.map(|record| Stored {
            updated_at: record.updated_at(),
            expires_at: record.expires_at(),
            expired: record.is_expired(|| now),
            refused_at: record.refused_at(),
            key_id: record.envelope().key_id(),
        });
        Self { name, stored }
    }

    /// Which secret.
    #[must_use]
    pub fn name(&self) -> &SecretName {
        &self.name
    }

    /// Whether a value is stored that has not expired. That it opens is only known when it is read.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.stored.is_some_and(|stored| !stored.expired)
    }

    /// Whether a value is stored that has expired, and reads as not set.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.stored.is_some_and(|stored| stored.expired)
    }

    /// Whether its user should look at it: it has expired, or the backend refused it.
    #[must_use]
    pub fn needs_attention(&self) -> bool {
        self.stored.is_some_and(|stored| stored.expired || stored.refused_at.is_some())
    }

    /// When the value was set, to the second; also of one that has expired.
    #[must_use]
    pub fn updated_at(&self) -> Option<SystemTime> {
        self.stored.map(|stored| stored.updated_at)
    }

    /// From when on the value is not used any more, to the second.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.stored?.expires_at
    }

    /// When the backend refused the value, to the second. The next write clears it.
    #[must_use]
    pub fn refused_at(&self) -> Option<SystemTime> {
        self.stored?.refused_at
    }

    /// The master key that the value is sealed with, as its envelope says.
    #[must_use]
    pub fn key_id(&self) -> Option<KeyId> {
        self.stored?.key_id
    }
}
