//! Whether everything opens.

use std::collections::BTreeMap;
use std::fmt;

use super::PAGE_LEN;
use crate::key::KeyId;
use crate::seal::{OpenError, Sealer};
use crate::vault::{StoreError, Vault};

/// How many secrets of a store open. Counts and key ids, nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Those that open, by the master key that they are sealed with.
    pub opened: BTreeMap<KeyId, u64>,
    /// Those that open and are not sealed, where sealing was switched off.
    pub unsealed: u64,
    /// Those that name a master key that is not in the keyring, by that key.
    pub unknown_key: BTreeMap<KeyId, u64>,
    /// Those that were altered, moved or damaged.
    pub refused: u64,
}

impl VerifyReport {
    /// Whether every secret opens.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.unknown_key.is_empty() && self.refused == 0
    }

    /// How many secrets were looked at.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.opened.values().chain(self.unknown_key.values()).sum::<u64>()
            + self.unsealed
            + self.refused
    }
}

/// Shows the counts, and the ids of the keys.
impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let opened = self.opened.values().sum::<u64>() + self.unsealed;
        write!(f, "{opened} open")?;
        self.opened.iter().try_for_each(|(key, n)| write!(f, ", {n} with the key {key}"))?;
        if self.unsealed > 0 {
            write!(f, ", {} not sealed", self.unsealed)?;
        }
        self.unknown_key.iter().try_for_each(|(key, n)| write!(f, ", {n} lack the key {key}"))?;
        write!(f, ", {} refused", self.refused)
    }
}

/// Opens every secret of the store and counts. Calls `progress` after each page.
///
/// # Errors
///
/// A [`StoreError`] if the store fails. Secrets that do not open are no error: see the report.
pub async fn verify(
    vault: &dyn Vault,
    sealer: &Sealer,
    mut progress: impl FnMut(&VerifyReport) + Send,
) -> Result<VerifyReport, StoreError> {
    let mut report = VerifyReport::default();
    let mut last = None;
    loop {
        let page = vault.scan(last.as_ref(), PAGE_LEN).await?;
        for (id, record) in &page {
            match sealer.check(id.owner(), id.name(), record.envelope()) {
                Ok(()) => match record.envelope().key_id() {
                    Some(key) => *report.opened.entry(key).or_default() += 1,
                    None => report.unsealed += 1,
                },
                Err(OpenError::UnknownKey { key }) => {
                    *report.unknown_key.entry(key).or_default() += 1;
                }
                Err(_) => report.refused += 1,
            }
        }
        progress(&report);
        match page.into_iter().next_back() {
            Some((id, _)) => last = Some(id),
            None => return Ok(report),
        }
    }
}
