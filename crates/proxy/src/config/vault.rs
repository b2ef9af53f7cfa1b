//! `[vault]`

use std::path::{Path, PathBuf};

use bonafide_vault::{KeySpec, Keyring};

use super::problem::Problems;
use super::section::{Located, Section};
use super::values::beside;
use super::with_causes;

/// Where credentials are kept, and the keys that seal them.
#[derive(Debug)]
#[non_exhaustive]
pub struct VaultConfig {
    /// The store.
    pub store: StoreConfig,
    /// The master keys.
    pub keys: Keyring,
}

/// A store for credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreConfig {
    /// In memory: gone with the process.
    Memory,
    /// An SQLite file.
    Sqlite(PathBuf),
}

pub(super) fn read(
    root: &mut Section<'_, '_>,
    file: &Path,
    problems: &mut Problems<'_>,
) -> Option<VaultConfig> {
    let Some(mut section) = root.table(problems, "vault") else {
        problems.add(None, "vault", "missing: add `[vault]` with `store` and `key`");
        return None;
    };
    let store = section.required(problems, "store", "\"sqlite:bonafide.db\"");
    let store = store.and_then(|found| self::store(&found, file, problems));
    let key = section.required(problems, "key", "\"env:BONAFIDE_VAULT_KEY\"");
    let keys = key.and_then(|found| self::keys(&found, file, problems));
    section.finish(problems);
    Some(VaultConfig { store: store?, keys: keys? })
}

fn store(found: &Located<&str>, file: &Path, problems: &mut Problems<'_>) -> Option<StoreConfig> {
    match found.value.split_once(':') {
        None if found.value == "memory" => return Some(StoreConfig::Memory),
        Some(("sqlite", path)) if !path.is_empty() => {
            return Some(StoreConfig::Sqlite(beside(file, path)));
        }
        Some(("postgres" | "postgresql" | "openbao+https" | "openbao+http", _)) => {
            found.problem(problems, "this store is not supported yet: write `\"sqlite:PATH\"`");
        }
        _ => found.problem(problems, "not a store: write `\"memory\"` or `\"sqlite:PATH\"`"),
    }
    None
}

fn keys(found: &Located<&str>, file: &Path, problems: &mut Problems<'_>) -> Option<Keyring> {
    let spec = match found.value.parse::<KeySpec>() {
        Ok(KeySpec::File(path)) => KeySpec::File(beside(file, path)),
        Ok(spec) => spec,
        Err(error) => {
            found.problem(problems, error.to_string());
            return None;
        }
    };
    match spec.load() {
        Ok(keys) => Some(keys),
        Err(error) => {
            found.problem(problems, with_causes(&error));
            None
        }
    }
}
