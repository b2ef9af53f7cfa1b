//! `[policy]`

use std::path::{Path, PathBuf};

use bonafide_claims::Issuer;
use bonafide_policy::{Policy, PolicyBuilder, PolicyError, Rule, TenantId};
use bonafide_postgres::Address;
use serde::Deserialize as _;
use toml::de::{DeValue, ValueDeserializer};

use super::postgres;
use super::problem::{ConfigError, Problems};
use super::secret::Environment;
use super::section::{Located, Section};
use super::values::beside;

/// Who may reach what: the rules of the file, and where other rules are.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PolicyConfig {
    /// The table `group_tenant_mapping`, whose rows are rules besides those of the file.
    pub store: Option<PolicyStoreConfig>,
    /// The tenants that the file has.
    pub tenants: Vec<TenantId>,
    /// The issuers that the file trusts.
    pub issuers: Vec<Issuer>,
    /// The rules of the file.
    pub(crate) rules: Vec<Rule>,
}

/// A database with the table `group_tenant_mapping`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyStoreConfig {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(Address),
}

impl PolicyConfig {
    /// Reads what a file says about the policy and nothing else, for an operator's commands: they need no secret that
    /// other sections name.
    ///
    /// # Errors
    ///
    /// If the file can't be read, or with everything that is wrong with its policy.
    pub fn load(file: &Path, environment: &Environment<'_>) -> Result<Self, ConfigError> {
        super::read_part(file, |root, problems| {
            let tenants = root.tables(problems, "tenants").into_iter();
            let tenants: Vec<_> = tenants.filter_map(|(name, _)| name.value.parse().ok()).collect();
            let mut issuers = Vec::new();
            for mut section in root.list_of_tables(problems, "issuers") {
                let name = section.required(problems, "issuer", "\"https://…\"");
                issuers.extend(name.and_then(|name| name.value.parse().ok()));
            }
            if let Some(mut hop) = root.table(problems, "trusted_hop") {
                let name = hop.required(problems, "issuer", "\"corporate-proxy\"");
                issuers.extend(name.and_then(|name| name.value.parse().ok()));
            }
            read(root, file, environment, &issuers, &tenants, problems).map(|(config, _)| config)
        })
    }

    /// The policy of the file and of the rows in the database together, yet to be checked.
    pub(crate) fn builder(&self) -> PolicyBuilder {
        self.scope().with_rules(self.rules.iter().cloned())
    }

    /// Tenants and issuers that rules may name, and no rule.
    pub(crate) fn scope(&self) -> PolicyBuilder {
        Policy::builder()
            .with_tenants(self.tenants.iter().cloned())
            .with_issuers(self.issuers.iter().cloned())
    }
}

/// The policy, and what the rules of the file make of it. Without rules it denies everything, which is a policy too.
pub(super) fn read(
    root: &mut Section<'_, '_>,
    file: &Path,
    environment: &Environment<'_>,
    issuers: &[Issuer],
    tenants: &[TenantId],
    problems: &mut Problems<'_>,
) -> Option<(PolicyConfig, Policy)> {
    let mut config = PolicyConfig {
        store: None,
        tenants: tenants.to_vec(),
        issuers: issuers.to_vec(),
        rules: Vec::new(),
    };
    let before = problems.len();
    if let Some(mut section) = root.table(problems, "policy") {
        let store = section.string(problems, "store");
        config.store = store.and_then(|found| self::store(&found, file, environment, problems));
        config.rules = rules(&mut section, problems);
        section.finish(problems);
    }
    match config.builder().build() {
        Ok(policy) if problems.len() == before => Some((config, policy)),
        Ok(_) => None,
        Err(errors) => {
            for error in errors {
                report(error, problems);
            }
            None
        }
    }
}

fn store(
    found: &Located<&str>,
    file: &Path,
    environment: &Environment<'_>,
    problems: &mut Problems<'_>,
) -> Option<PolicyStoreConfig> {
    match found.value.split_once(':') {
        Some(("sqlite", path)) if !path.is_empty() => {
            return Some(PolicyStoreConfig::Sqlite(beside(file, path)));
        }
        _ if postgres::is_named(found.value) => {
            let address = postgres::address(found, file, environment, problems);
            return address.map(PolicyStoreConfig::Postgres);
        }
        _ => found.problem(
            problems,
            "not a store of rules: write `\"sqlite:PATH\"` or `\"postgres://USER@HOST/DATABASE\"`",
        ),
    }
    None
}

fn rules(section: &mut Section<'_, '_>, problems: &mut Problems<'_>) -> Vec<Rule> {
    let Some(found) = section.value("rules") else { return Vec::new() };
    let DeValue::Array(tables) = found.value.get_ref() else {
        found.problem(problems, "this is a list of tables: write `[[policy.rules]]`");
        return Vec::new();
    };
    let mut rules = Vec::new();
    for rule in tables.iter() {
        match Rule::deserialize(ValueDeserializer::from(rule.clone())) {
            Ok(rule) => rules.push(rule),
            Err(error) => {
                problems.add(Some(rule.span()), found.key.clone(), error.message().to_owned());
            }
        }
    }
    rules
}

fn report(error: PolicyError, problems: &mut Problems<'_>) {
    let rule = match (&error.id, error.rule) {
        (Some(id), _) => format!(" (rule `{id}`)"),
        (None, _) => String::new(),
    };
    let key = match (error.rule, error.key.as_str()) {
        (None, _) => "policy".to_owned(),
        (Some(index), "") => format!("policy.rules[{index}]"),
        (Some(index), key) => format!("policy.rules[{index}].{key}"),
    };
    problems.add(error.span.clone(), key, format!("{}{rule}", error.problem));
}

/// The database that rules are kept in.
pub(super) fn address(store: &PolicyStoreConfig) -> Option<&Address> {
    match store {
        PolicyStoreConfig::Postgres(address) => Some(address),
        PolicyStoreConfig::Sqlite(_) => None,
    }
}
