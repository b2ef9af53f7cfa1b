//! Reading a store from a file.

use std::fmt;
use std::io::BufRead;

use super::export::{Line, Lines, NOT_A_SECRET};
use super::{PAGE_LEN, TransferError};
use crate::owner::SecretId;
use crate::seal::Sealer;
use crate::vault::{Record, Replacement, StoreError, Vault};

/// What an [`import`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// Secrets that were not there and are now.
    pub imported: u64,
    /// Secrets that were there, with the same envelope.
    pub same: u64,
    /// Secrets that were there with another envelope, which was kept.
    pub kept: u64,
    /// Secrets that do not open with the keyring, and were left out.
    pub refused: u64,
}

impl ImportReport {
    /// How many secrets were read.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.imported + self.same + self.kept + self.refused
    }
}

/// Shows the counts.
impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { imported, same, kept, refused } = self;
        write!(f, "{imported} imported, {same} the same, {kept} kept, {refused} refused")
    }
}

/// Stores every secret of an export that opens with `sealer` and is not there yet. Calls `progress` after each
/// page.
///
/// What is there is never replaced, so an import that was broken off is started again from the beginning.
///
/// # Errors
///
/// A [`TransferError`] if the store fails, `from` cannot be read or is no export, or its end is missing. The
/// rows before that are stored.
pub async fn import(
    vault: &dyn Vault,
    sealer: &Sealer,
    from: impl BufRead + Send,
    mut progress: impl FnMut(&ImportReport) + Send,
) -> Result<ImportReport, TransferError> {
    let mut lines = Lines::new(from);
    let mut report = ImportReport::default();
    let mut page = Vec::with_capacity(PAGE_LEN);
    let end = loop {
        match next_secret(&mut lines) {
            Ok(Next::Secret(id, record)) => {
                match sealer.check(id.owner(), id.name(), record.envelope()) {
                    Ok(()) => page.push(Replacement { id, expected: None, record }),
                    Err(_) => report.refused += 1,
                }
            }
            Ok(Next::End(rows)) => break Ok(rows),
            Err(error) => break Err(error),
        }
        if page.len() >= PAGE_LEN {
            store(vault, std::mem::take(&mut page), &mut report).await?;
            progress(&report);
        }
    };
    // Also when a line is wrong: what was read before it is good.
    store(vault, page, &mut report).await?;
    progress(&report);
    let rows = report.rows();
    if end? == Some(rows) { Ok(report) } else { Err(TransferError::Truncated { rows }) }
}

enum Next {
    Secret(SecretId, Record),
    /// How many secrets the last line tells, if there is one.
    End(Option<u64>),
}

fn next_secret(lines: &mut Lines<impl BufRead>) -> Result<Next, TransferError> {
    loop {
        return match lines.next_line()? {
            Some(Line::BonafideVaultExport(_)) => continue,
            Some(Line::Secret(row)) => {
                let (id, record) = row.parse().ok_or_else(|| lines.wrong(NOT_A_SECRET))?;
                Ok(Next::Secret(id, record))
            }
            Some(Line::End(rows)) => Ok(Next::End(Some(rows))),
            None => Ok(Next::End(None)),
        };
    }
}

async fn store(
    vault: &dyn Vault,
    page: Vec<Replacement>,
    report: &mut ImportReport,
) -> Result<(), StoreError> {
    let rows: Vec<(SecretId, Record)> =
        page.iter().map(|row| (row.id.clone(), row.record.clone())).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let stored = vault.replace(page).await?;
    if stored.len() != rows.len() {
        let what = "it answered a replacement with more or fewer results than changes";
        return Err(StoreError::Bug { what });
    }
    for ((id, record), stored) in rows.into_iter().zip(stored) {
        if stored {
            report.imported += 1;
            continue;
        }
        let there = vault.read(id.owner(), std::slice::from_ref(id.name())).await?;
        let same = there.iter().flatten().any(|there| there.envelope() == record.envelope());
        *(if same { &mut report.same } else { &mut report.kept }) += 1;
    }
    Ok(())
}
