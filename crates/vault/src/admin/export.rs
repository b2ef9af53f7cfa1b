//! Writing a store to a file.

use std::fmt;
use std::io::{BufRead, Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bonafide_claims::{DirectoryId, UserId};
use serde::{Deserialize, Serialize};

use super::{PAGE_LEN, TransferError};
use crate::envelope::Envelope;
use crate::owner::SecretId;
use crate::vault::{Record, Vault};

/// The version of the file. Version 1 had no expiry and no refusal, and is still read.
const EXPORT_VERSION: u32 = 2;

/// No line is longer, in bytes: the longest envelope in base64, and four ids with every character escaped.
const MAX_LINE_LEN: u64 = 256 * 1024;

/// The lines of an export: JSON objects.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(super) enum Line {
    /// The first line.
    BonafideVaultExport(u32),
    /// One for each secret.
    Secret(Row),
    /// The last line: how many secrets there are.
    End(u64),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    issuer: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    directory: Option<String>,
    subject: String,
    tenant: String,
    name: String,
    unix_seconds: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_unix_seconds: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused_unix_seconds: Option<u64>,
    envelope: String,
}

impl Row {
    fn new(id: &SecretId, record: &Record) -> Self {
        let (user, tenant) = (id.owner().user(), id.owner().tenant());
        Self {
            issuer: user.issuer().as_str().to_owned(),
            directory: user.directory().map(DirectoryId::as_str).map(str::to_owned),
            subject: user.subject().as_str().to_owned(),
            tenant: tenant.as_str().to_owned(),
            name: id.name().as_str().to_owned(),
            unix_seconds: record.unix_seconds(),
            expires_unix_seconds: record.expires_unix_seconds(),
            refused_unix_seconds: record.refused_unix_seconds(),
            envelope: STANDARD.encode(record.envelope().as_bytes()),
        }
    }

    pub(super) fn parse(self) -> Option<(SecretId, Record)> {
        let directory = self.directory.map(|text| text.parse()).transpose().ok()?;
        let user = UserId::new(self.issuer.parse().ok()?, directory, self.subject.parse().ok()?);
        let id = SecretId::new(user, self.tenant.parse().ok()?, self.name.parse().ok()?);
        let envelope = Envelope::from_bytes(STANDARD.decode(self.envelope).ok()?);
        let record = Record::new(envelope, self.unix_seconds)
            .with_expiry(self.expires_unix_seconds)
            .with_refusal(self.refused_unix_seconds);
        Some((id, record))
    }
}

/// How far an export has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportReport {
    /// How many secrets were written.
    pub rows: u64,
}

/// Shows the count.
impl fmt::Display for ExportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} exported", self.rows)
    }
}

/// Where an export that was broken off goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportPosition {
    /// How many bytes of the file are whole lines. Cut off what is behind them.
    pub len: u64,
    /// How many secrets they hold.
    pub rows: u64,
    /// The last one of them.
    pub last: Option<SecretId>,
}

/// Writes every secret to `into`, sealed: a line of JSON for each. Calls `progress` after each page.
///
/// Goes on behind `position`, if there is one: see [`export_position`]. Secrets that are set or changed meanwhile
/// may be in the export with their old or their new value.
///
/// # Errors
///
/// A [`TransferError`] if the store fails or `into` does.
///
/// # Security
///
/// The values are sealed, but not who has one for which tenant: let the file be its owner's alone.
pub async fn export(
    vault: &dyn Vault,
    into: &mut (dyn Write + Send),
    position: Option<ExportPosition>,
    mut progress: impl FnMut(&ExportReport) + Send,
) -> Result<ExportReport, TransferError> {
    let mut report = ExportReport::default();
    let mut last = None;
    match position.filter(|position| position.len > 0) {
        Some(position) => (report.rows, last) = (position.rows, position.last),
        None => write_line(into, &Line::BonafideVaultExport(EXPORT_VERSION))?,
    }
    loop {
        let page = vault.scan(last.as_ref(), PAGE_LEN).await?;
        for (id, record) in &page {
            if record.envelope().unsealed().is_some() {
                return Err(TransferError::Unsealed);
            }
            write_line(into, &Line::Secret(Row::new(id, record)))?;
            report.rows += 1;
        }
        progress(&report);
        match page.into_iter().next_back() {
            Some((id, _)) => last = Some(id),
            None => break,
        }
    }
    write_line(into, &Line::End(report.rows))?;
    into.flush()?;
    Ok(report)
}

/// How every export begins.
pub(super) fn first_line() -> Result<Vec<u8>, TransferError> {
    text(&Line::BonafideVaultExport(EXPORT_VERSION))
}

fn write_line(into: &mut (dyn Write + Send), line: &Line) -> Result<(), TransferError> {
    Ok(into.write_all(&text(line)?)?)
}

fn text(line: &Line) -> Result<Vec<u8>, TransferError> {
    let mut text = serde_json::to_vec(line).map_err(std::io::Error::other)?;
    text.push(b'\n');
    Ok(text)
}

/// Where the export in `from` was broken off. Leaves out a last line that is cut off, and the line that ends
/// an export.
///
/// # Errors
///
/// A [`TransferError`] if `from` cannot be read or is no export.
pub fn export_position(from: impl BufRead) -> Result<ExportPosition, TransferError> {
    let mut lines = Lines::new(from);
    let mut position = ExportPosition { len: 0, rows: 0, last: None };
    while let Some(line) = lines.next_line()? {
        match line {
            Line::BonafideVaultExport(EXPORT_VERSION) => {}
            // Rows of this version have no place in a file of an earlier one.
            Line::BonafideVaultExport(_) => {
                return Err(lines.wrong("it begins an export of an earlier version: export again"));
            }
            Line::Secret(row) => {
                let (id, _) = row.parse().ok_or_else(|| lines.wrong(NOT_A_SECRET))?;
                position.rows += 1;
                position.last = Some(id);
            }
            Line::End(_) => break,
        }
        position.len = lines.len;
    }
    Ok(position)
}

pub(super) const NOT_A_SECRET: &str = "it does not hold a secret";

/// Reads an export line by line. A last line without its end is not there.
pub(super) struct Lines<R> {
    from: R,
    buffer: Vec<u8>,
    line: u64,
    len: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, buffer: Vec::new(), line: 0, len: 0 }
    }

    /// The next line. The first one says that it is an export of a known version, and no other does.
    pub(super) fn next_line(&mut self) -> Result<Option<Line>, TransferError> {
        self.buffer.clear();
        self.line += 1;
        let len = self.from.by_ref().take(MAX_LINE_LEN).read_until(b'\n', &mut self.buffer)?;
        if !self.buffer.ends_with(b"\n") {
            let too_long = u64::try_from(len).is_ok_and(|len| len == MAX_LINE_LEN);
            return if too_long { Err(self.wrong("it is too long")) } else { Ok(None) };
        }
        let line = serde_json::from_slice(&self.buffer)
            .map_err(|_| self.wrong("it is no line of an export"))?;
        let header = matches!(line, Line::BonafideVaultExport(1..=EXPORT_VERSION));
        if header != (self.line == 1) {
            return Err(self.wrong("an export begins with its version, 1 or 2, and once"));
        }
        self.len += u64::try_from(len).unwrap_or_default();
        Ok(Some(line))
    }

    pub(super) fn wrong(&self, what: &'static str) -> TransferError {
        TransferError::Line { line: self.line, what }
    }
}
