//! `[vault]`

use std::path::{Path, PathBuf};

use bonafide_openbao::OpenBaoVaultBuilder;
use bonafide_postgres::Address;
use bonafide_vault::{KeySpec, Keyring};

use super::openbao;
use super::postgres;
use super::problem::{ConfigError, Problems};
use super::secret::Environment;
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
    /// A PostgreSQL database.
    Postgres(Address),
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
        (None, None) => found.and_then(|found| self::store(&found, file, environment, problems)),
    };
    let key = section.required(problems, "key", "\"env:BONAFIDE_VAULT_KEY\"");
    let keys = key.and_then(|found| self::keys(&found, file, problems));
    section.finish(problems);
    Some(VaultConfig { store: store?, keys: keys?, dangerous_unsealed })
}

fn store(
    found: &Located<&str>,
    file: &Path,
    environment: &Environment<'_>,
    problems: &mut Problems<'_>,
) -> Option<StoreConfig> {
    match found.value.split_once(':') {
        None if found.value == "memory" => return Some(StoreConfig::Memory),
        Some(("sqlite", path)) if !path.is_empty() => {
            return Some(StoreConfig::Sqlite(beside(file, path)));
        }
        _ if postgres::is_named(found.value) => {
            let address = postgres::address(found, file, environment, problems);
            return address.map(StoreConfig::Postgres);
        }
        _ => found.problem(
            problems,
            "not a store: write `\"memory\"`, `\"sqlite:PATH\"`, `\"postgres://USER@HOST/DATABASE\"` or \
             `\"openbao+https://HOST:PORT\"`",
        ),
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

/// The database that credentials are kept in.
pub(super) fn address(store: &StoreConfig) -> Option<&Address> {
    match store {
        StoreConfig::Postgres(address) => Some(address),
        _ => None,
    }
}
