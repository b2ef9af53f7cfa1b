//! The configuration file.

mod audit;
mod issuers;
mod limits;
mod openbao;
mod policy;
mod portal;
mod postgres;
mod problem;
mod quotas;
mod scopes;
mod secret;
mod section;
mod tenants;
mod trusted_hop;
mod values;
mod vault;

use std::net::SocketAddr;
use std::path::Path;
use std::time::SystemTime;

use bonafide_mcp::{Directory, Limits, Quotas};
use bonafide_tower::TrustedHop;
use toml::de::{DeTable, DeValue};
use url::Url;

use crate::policy::Base;
use crate::server::Settings;

pub use audit::{AuditConfig, AuditSinkConfig};
pub use issuers::IssuerConfig;
pub use policy::{PolicyConfig, PolicyStoreConfig};
pub use portal::PortalConfig;
use problem::Problems;
pub use problem::{ConfigError, Problem};
pub use secret::Environment;
use section::Section;
pub use vault::{StoreConfig, VaultConfig};

/// A configuration that was read and checked: everything in it can be used.
#[derive(Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// How clients address the proxy.
    pub public_url: Url,
    /// Whose tokens are accepted. At least one.
    pub issuers: Vec<IssuerConfig>,
    /// A host in front of the proxy whose word is taken. None unless the file has one.
    pub trusted_hop: Option<TrustedHop>,
    /// Where credentials are kept.
    pub vault: VaultConfig,
    /// The tenants, and the policy that the rules of the file make by themselves.
    pub directory: Directory,
    /// Where the rules are, those of the file among them.
    pub policy: PolicyConfig,
    /// Where decisions are written down.
    pub audit: AuditConfig,
    /// How users sign in to the portal. Without, its pages only say how to use the API.
    pub portal: Option<PortalConfig>,
    /// How much one user may ask of one tenant.
    pub quotas: Quotas,
    /// How much a request may be and how long it may take.
    pub limits: Limits,
    /// What clients may take of the server.
    pub(crate) server: Settings,
    /// Everything but tenants, scopes and policy, to see whether a changed file needs a restart.
    pub(crate) fixed: Fixed,
    /// When the file was written, looked at before it was read.
    pub(crate) stamp: Stamp,
}

/// What changes when a file does: when it was written, and its length.
pub(crate) type Stamp = Option<(SystemTime, u64)>;

pub(crate) fn stamp(file: &Path) -> Stamp {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// If the file can't be read, or with everything that is wrong with it.
    pub fn load(file: &Path, environment: &Environment<'_>) -> Result<Self, ConfigError> {
        let stamp = stamp(file);
        let text =
            std::fs::read_to_string(file).map_err(|error| ConfigError::unreadable(file, &error))?;
        Ok(Self { stamp, ..Self::parse(&text, file, environment)? })
    }

    /// Reads the text of a file. The name is for messages and for what the file names beside itself.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn parse(
        text: &str,
        file: &Path,
        environment: &Environment<'_>,
    ) -> Result<Self, ConfigError> {
        parse(text, file, |root, problems| {
            let config = read(root, file, environment, problems);
            root.finish(problems);
            config
        })
    }
}

/// Reads one section of a file, and leaves the others alone.
fn read_part<T>(
    file: &Path,
    read: impl FnOnce(&mut Section<'_, '_>, &mut Problems<'_>) -> Option<T>,
) -> Result<T, ConfigError> {
    let text =
        std::fs::read_to_string(file).map_err(|error| ConfigError::unreadable(file, &error))?;
    parse(&text, file, read)
}

fn parse<T>(
    text: &str,
    file: &Path,
    read: impl FnOnce(&mut Section<'_, '_>, &mut Problems<'_>) -> Option<T>,
) -> Result<T, ConfigError> {
    let mut problems = Problems::new(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        problems.add(error.span(), "", format!("this is not TOML: {message}"));
    }
    let config = if errors.is_empty() {
        let mut root = Section::new(String::new(), document.span(), document.get_ref());
        read(&mut root, &mut problems)
    } else {
        // What a broken file seems to lack is no news.
        None
    };
    if config.is_none() && problems.len() == 0 {
        problems.add(None, "", "the file can't be used");
    }
    problems.finish(file)?;
    config.ok_or_else(|| {
        let error = std::io::Error::from(std::io::ErrorKind::InvalidData);
        ConfigError::unreadable(file, &error)
    })
}

/// Reads every section, whatever is wrong with the others.
fn read(
    root: &mut Section<'_, '_>,
    file: &Path,
    environment: &Environment<'_>,
    problems: &mut Problems<'_>,
) -> Option<Config> {
    let listen = root.required(problems, "listen", "\"127.0.0.1:8080\"");
    let listen = listen.and_then(|found| values::address(&found, problems));
    let public_url = root.required(problems, "public_url", "\"https://mcp.example.com\"");
    let public_url = public_url.and_then(|found| values::origin(&found, problems));
    let issuers = issuers::read(root, environment, problems);
    let trusted_hop = trusted_hop::read(root, &issuers, environment, problems);
    let vault = vault::read(root, file, environment, problems);
    let tenants = tenants::read(root, environment, problems);
    let mut known: Vec<_> = issuers.iter().map(|it| it.trusted.issuer().clone()).collect();
    known.extend(trusted_hop.iter().map(|hop| hop.issuer().clone()));
    let policy = policy::read(root, file, environment, &known, &tenants.ids, problems);
    let audit = audit::read(root, file, environment, problems);
    let portal = portal::read(root, environment, &issuers, problems);
    let quotas = quotas::read(root, problems);
    let (limits, server) = limits::read(root, problems);
    let (policy, of_file) = policy?;
    Some(Config {
        listen: listen?,
        public_url: public_url?,
        issuers,
        trusted_hop,
        vault: vault?,
        directory: Directory::new(tenants.tenants, of_file),
        policy,
        audit: audit?,
        portal,
        quotas,
        limits,
        server,
        fixed: fixed(root),
        stamp: None,
    })
}

/// What takes effect at the start only, to compare. A URL in it may have a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Fixed(String);

impl std::fmt::Debug for Fixed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fixed(…)")
    }
}

fn fixed(root: &Section<'_, '_>) -> Fixed {
    let reloaded = ["tenants", "policy", "scopes"];
    let entries = root.entries();
    let kept = entries.iter().filter(|(name, _)| !reloaded.contains(&name.value));
    let mut fixed: String = kept
        .map(|(name, value)| {
            format!("{} = {:?}\n", name.value, without_places(value.value.get_ref()))
        })
        .collect();
    // Of the policy, where its database is.
    let policy = entries.iter().find(|(name, _)| name.value == "policy");
    if let Some((_, value)) = policy
        && let DeValue::Table(policy) = value.value.get_ref()
        && let Some(store) = policy.get("store")
    {
        fixed += &format!("policy.store = {}\n", without_places(store.get_ref()));
    }
    Fixed(fixed)
}

/// A value without where it stands in the file.
fn without_places(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Array(items) => {
            let items = items.iter().map(|item| without_places(item.get_ref()));
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
        DeValue::Table(table) => {
            let entries = table.iter();
            let entries = entries.map(|(name, value)| {
                format!("{:?} = {}", name.get_ref(), without_places(value.get_ref()))
            });
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        DeValue::String(text) => format!("{text:?}"),
        other => format!("{other:?}"),
    }
}

/// An error and what caused it, in one text.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl Config {
    /// What policy and tenants are made of again when rules change.
    pub(crate) fn base(&self) -> Base {
        Base { tenants: self.directory.tenants().cloned().collect(), policy: self.policy.builder() }
    }

    /// What can be used, and should be looked at: one sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let tenants = self
            .directory
            .tenants()
            .filter(|tenant| tenant.url().scheme() == "http" && !values::is_loopback(tenant.url()));
        let in_the_clear = tenants.map(|tenant| {
            format!(
                "`tenants.{}.url`: credentials travel to this backend in the clear: use `https` unless the network \
                 between is yours",
                tenant.id().as_str()
            )
        });
        let unused = self.directory.tenants().flat_map(|tenant| {
            tenant.templates().unused_variables().map(|variable| {
                let (tenant, name) = (tenant.id().as_str(), variable.name());
                format!(
                    "`tenants.{tenant}.variables.{name}`: no header uses it, so that users are asked for what is sent nowhere: \
                     write `${{{name}}}` in a header, or remove it"
                )
            })
        });
        let scoped = self.directory.tenants().find(|tenant| tenant.scopes().is_some());
        let hop_without_scopes = self.trusted_hop.as_ref().zip(scoped).map(|(_, tenant)| {
            format!(
                "`tenants.{}`: users of the trusted hop have no scopes: they can't use what asks for some",
                tenant.id().as_str()
            )
        });
        let hop = self.trusted_hop.as_ref().map(|_| {
            "`trusted_hop`: its users are known by its word only; whoever learns its secret and connects from its \
             addresses can be any of them"
                .to_owned()
        });
        let unsealed = self.vault.dangerous_unsealed.then(|| {
            "`vault.openbao.dangerous_unsealed`: credentials are stored as they are: whoever reads the entries at the \
             server has them"
                .to_owned()
        });
        let stores = [
            ("vault.store", vault::address(&self.vault.store)),
            ("policy.store", self.policy.store.as_ref().and_then(policy::address)),
            ("audit.sink", audit::address(&self.audit.sink)),
        ];
        let databases = stores.into_iter();
        let databases = databases.filter_map(|(key, address)| postgres::warning(key, address?));
        in_the_clear
            .chain(unused)
            .chain(unsealed)
            .chain(hop)
            .chain(hop_without_scopes)
            .chain(databases)
            .collect()
    }
}
