//! Sealing again with the newest key.

use std::fmt;

use super::PAGE_LEN;
use crate::owner::SecretId;
use crate::seal::Sealer;
use crate::vault::{Record, Replacement, StoreError, Vault};

/// How often a row is tried again that somebody changes at the same moment.
const TRIES: usize = 16;

/// What a [`rewrap`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RewrapReport {
    /// Rows that are now sealed with the newest key and were not before.
    pub rewrapped: u64,
    /// Rows that were sealed with the newest key already.
    pub current: u64,
    /// Rows that do not open. They are left as they are: [`verify`](super::verify) says more.
    pub refused: u64,
    /// Rows that were changed again and again meanwhile, by a gateway that does not have the newest key.
    pub contended: u64,
}

impl RewrapReport {
    /// Whether every row is sealed with the newest key.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.refused == 0 && self.contended == 0
    }
}

/// Shows the counts.
impl fmt::Display for RewrapReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rewrapped, current, refused, contended } = self;
        write!(f, "{rewrapped} rewrapped, {current} current, {refused} refused")?;
        write!(f, ", {contended} contended")
    }
}

/// Seals every secret with the newest key that is sealed with another one. Calls `progress` after each page.
///
/// Works under load: a row is replaced only if it still is what was read, so no change by a user is lost,
/// and gateways that have both keys open either. When a secret was set and when it expires stays as it was,
/// and so does that it was refused, unless that is noted at the same moment: the next refusal notes it again.
///
/// # Errors
///
/// A [`StoreError`] if the store fails. What was done until then stays done: start again.
pub async fn rewrap(
    vault: &dyn Vault,
    sealer: &Sealer,
    mut progress: impl FnMut(&RewrapReport) + Send,
) -> Result<RewrapReport, StoreError> {
    let mut report = RewrapReport::default();
    let mut last = None;
    loop {
        let page = vault.scan(last.as_ref(), PAGE_LEN).await?;
        let next = page.last().map(|(id, _)| id.clone());
        rewrap_page(vault, sealer, page, &mut report).await?;
        progress(&report);
        match next {
            Some(id) => last = Some(id),
            None => return Ok(report),
        }
    }
}

async fn rewrap_page(
    vault: &dyn Vault,
    sealer: &Sealer,
    page: Vec<(SecretId, Record)>,
    report: &mut RewrapReport,
) -> Result<(), StoreError> {
    let rows = page.into_iter().map(|(id, record)| again(sealer, id, &record, report));
    let changes: Vec<_> = rows.flatten().collect();
    if changes.is_empty() {
        return Ok(());
    }
    let made = vault.replace(changes.clone()).await?;
    if made.len() != changes.len() {
        let what = "it answered a replacement with more or fewer results than changes";
        return Err(StoreError::Bug { what });
    }
    for (change, made) in changes.into_iter().zip(made) {
        if made {
            report.rewrapped += 1;
        } else {
            rewrap_row(vault, sealer, change.id, report).await?;
        }
    }
    Ok(())
}

/// A row that somebody else changed just now.
async fn rewrap_row(
    vault: &dyn Vault,
    sealer: &Sealer,
    id: SecretId,
    report: &mut RewrapReport,
) -> Result<(), StoreError> {
    for _ in 0..TRIES {
        let names = std::slice::from_ref(id.name());
        let stored = vault.read(id.owner(), names).await?.into_iter().flatten().next();
        let Some(record) = stored else { return Ok(()) };
        let Some(change) = again(sealer, id.clone(), &record, report) else { return Ok(()) };
        if vault.replace(vec![change]).await?.first() == Some(&true) {
            report.rewrapped += 1;
            return Ok(());
        }
    }
    report.contended += 1;
    Ok(())
}

/// The row sealed with the newest key; `None`, and counted, if it is already or does not open.
fn again(
    sealer: &Sealer,
    id: SecretId,
    record: &Record,
    report: &mut RewrapReport,
) -> Option<Replacement> {
    if sealer.is_current(record.envelope()) {
        report.current += 1;
        return None;
    }
    let Some(envelope) = sealer.reseal(id.owner(), id.name(), record.envelope()) else {
        report.refused += 1;
        return None;
    };
    let expected = Some(record.envelope().clone());
    Some(Replacement { id, expected, record: record.clone().with_envelope(envelope) })
}
