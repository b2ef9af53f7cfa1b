//! What an operator does with a whole store: seal again, check, carry over.
//!
//! None of these needs a permit, because none of them lets a secret out: [`rewrap`] and [`verify`] open what is
//! sealed and wipe it again, [`export`] and [`import`] carry it sealed. All of them work while gateways
//! use the store, in pages, and can be broken off and started again at any time.
//!
//! To retire a master key: add the new one in front of it, in every gateway; [`rewrap`]; [`verify`] that no row
//! names the old key any more; remove it.

mod export;
mod file;
mod import;
mod rewrap;
mod verify;

pub use export::{ExportPosition, ExportReport, export, export_position};
pub use file::{ExistingFile, export_to_file, import_from_file};
pub use import::{ImportReport, import};
pub use rewrap::{RewrapReport, rewrap};
pub use verify::{VerifyReport, verify};

use std::io;
use std::path::PathBuf;

use crate::vault::StoreError;

/// How many rows are asked for at a time.
const PAGE_LEN: usize = 256;

/// Why an export or import broke off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The file cannot be read or written.
    #[error("the export cannot be read or written")]
    Io(#[from] io::Error),
    /// A line is not what an export has there.
    #[error("line {line} of the export is wrong: {what}")]
    Line {
        /// Which line, from 1.
        line: u64,
        /// What is wrong, without anything of the line.
        what: &'static str,
    },
    /// The last line is missing, or tells another number of rows.
    #[error("the export is not complete: {rows} rows were found and taken, export again")]
    Truncated {
        /// How many rows there are.
        rows: u64,
    },
    /// A secret of the store is not sealed: it would stand in the file as it is.
    #[error("the store holds secrets that are not sealed: those are not exported")]
    Unsealed,
    /// The file is there already.
    #[error("the file `{path}` exists: give another name, or go on with it")]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// What is in the file is not the beginning of an export.
    #[error("the file `{path}` is not an export that was broken off: give another name")]
    NotAnExport {
        /// Which file.
        path: PathBuf,
    },
    /// Others than the owner may read or write the file.
    #[error(
        "the file `{path}` has mode {mode:03o}: its owner alone may use it, as with `chmod 600`"
    )]
    Permissions {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}
