//! `[vault]`

use std::path::{Path, PathBuf};

use bonafide_openbao::OpenBaoVaultBuilder;
use bonafide_vault::{KeySpec, Keyring};

use super::openbao;
use super::problem::{ConfigError, Problems};
use super::secret::Environment;
use super::section::{Located, Section};

/// Where credentials are kept, and the keys that seal them.
#[derive(Debug)]
#[non_exhaustive]
pub struct VaultConfig {
    /// The store.
    pub store: StoreConfig,
    /// The master keys.
    pub keys: Keyring,
    /// Whether the store gets the values as they are. With OpenBao only.
    pub dangerous_unsealed: bool,
}

/// A store for credentials.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StoreConfig {
    /// In memory: gone with the process.
    Memory,
    /// An SQLite file.
    Sqlite(PathBuf),
    /// OpenBao or HashiCorp Vault.
    OpenBao(Box<OpenBaoVaultBuilder>),
}

impl VaultConfig {
    /// Reads `[vault]` of a file and nothing else, for an operator's commands: they need the store and its keys,
    /// and not the secrets that other sections name.
    ///
    /// # Errors
    ///
    /// If the file can't be read, or with everything that is wrong with that section.
    pub fn load(file: &Path, environment: &Environment<'_>) -> Result<Self, ConfigError> {
        super::read_part(file, |root, problems| read(root, file, environment, problems))
    }
}

pub(super) fn read(
    root: &mut Section<'_, '_>,
    file: &Path,
    environment: &Environment<'_>,
    problems: &mut Problems<'_>,
) -> Option<VaultConfig> {
    let Some(mut section) = root.table(problems, "vault") else {
        problems.add(None, "vault", "missing: add `[vault]` with `store` and `key`");
        return None;
    };
    let found = section.required(problems, "store", "\"sqlite:bonafide.db\"");
    let server = found.as_ref().and_then(|found| found.value.strip_prefix("openbao+"));
    let openbao = section.table(problems, "openbao");
    let mut dangerous_unsealed = false;
    let store = match (found.as_ref().zip(server), openbao) {
        (Some((found, address)), Some(mut openbao)) => {
            let read = openbao::read(found, address, &mut openbao, file, environment, problems);
            openbao.finish(problems);
            read.map(|(builder, unsealed)| {
                dangerous_unsealed = unsealed;
                StoreConfig::OpenBao(Box::new(builder))
            })
        }
        (Some(_), None) => {
            let message =
                "missing: add `[vault.openbao]` with `token`, or with `role_id` and `secret_id`";
            section.problem(problems, message);
            None
        }
        (None, Some(openbao)) => {
            openbao
                .problem(problems, "this is for `store = \"openbao+https://…\"` only: remove it");
            None
        }
        (None, None) => found.and_then(|found| self::store(&found, file, problems)),
    };
    let key = section.required(problems, "key", "\"env:BONAFIDE_VAULT_KEY\"");
    let keys = key.and_then(|found| self::keys(&found, file, problems));
    section.finish(problems);
    Some(VaultConfig { store: store?, keys: keys?, dangerous_unsealed })
}

fn store(found: &Located<&str>, file: &Path, problems: &mut Problems<'_>) -> Option<StoreConfig> {
    match found.value.split_once(':') {
        None if found.value == "memory" => return Some(StoreConfig::Memory),
        Some(("sqlite", path)) if !path.is_empty() => {
            return Some(StoreConfig::Sqlite(beside(file, path)));
        }
        Some(("postgres" | "postgresql", _)) => {
            found.problem(problems, "this store is not supported yet: write `\"sqlite:PATH\"`");
        }
        _ => found.problem(
            problems,
            "not a store: write `\"memory\"`, `\"sqlite:PATH\"` or `\"openbao+https://HOST:PORT\"`",
        ),
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
