//! `[vault]`

use std::path::{Path, PathBuf};

use bonafide_vault::{KeySpec, Keyring};

use super::problem::{ConfigError, Problems};
use super::section::{Located, Section};

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

impl VaultConfig {
    /// Reads `[vault]` of a file and nothing else, for an operator's commands: they need the store and its keys,
    /// and not the secrets that other sections name.
    ///
    /// # Errors
    ///
    /// If the file can't be read, or with everything that is wrong with that section.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        super::read_part(file, |root, problems| read(root, file, problems))
    }
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

/// A relative path is meant from the file that names it, wherever the process was started.
fn beside(file: &Path, path: impl AsRef<Path>) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(path)
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

/// An error and what caused it, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
