//! Everything that the configuration names, put together.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::http::HeaderName;
use bonafide_claims::Verifier;
use bonafide_mcp::{CredentialCheck, Gateway, SharedDirectory};
use bonafide_portal::Portal;
use bonafide_sqlite::SqliteVault;
use bonafide_tower::{AllowedHosts, Authenticator};
use bonafide_vault::{MemoryVault, SecretStore, Vault};
use tokio::net::TcpListener;

use crate::config::{Config, IssuerConfig, PortalConfig, Stamp, StoreConfig, VaultConfig};
use crate::health::{self, Health};
use crate::reload::Reload;
use crate::server;

/// A proxy that is ready to serve.
#[derive(Debug)]
pub struct Proxy {
    listener: TcpListener,
    router: Router,
    directory: SharedDirectory,
    health: Health,
    fixed: String,
    stamp: Stamp,
    file: Option<PathBuf>,
}

/// Why a proxy does not start, though its configuration is in order.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The listener has no address.
    #[error("the listener can't be used")]
    Listener(#[source] std::io::Error),
    /// The trusted issuers do not make a verifier.
    #[error("the issuers can't be used together")]
    Issuers(#[source] bonafide_claims::BuildError),
    /// The SQLite file can't be opened.
    #[error("the vault can't be opened")]
    Vault(#[source] bonafide_sqlite::OpenError),
    /// The store in OpenBao can't be set up.
    #[error("the vault can't be opened")]
    OpenBao(#[source] bonafide_openbao::BuildError),
    /// Users can't sign in to the portal.
    #[error("users can't sign in to the portal")]
    Portal(#[source] bonafide_portal::PortalError),
    /// The rule for administrators is not right.
    #[error("`portal.administrators` can't be used")]
    Administrators(#[source] bonafide_policy::PolicyErrors),
    /// New credentials can't be tried out.
    #[error("new credentials can't be tried out")]
    Check(#[source] bonafide_mcp::TlsError),
    /// The gateway can't be built.
    #[error("the gateway can't be built")]
    Gateway(#[source] bonafide_mcp::BuildError),
}

impl Proxy {
    /// A proxy on `listener`.
    ///
    /// The address comes with the listener and not from `config`, so that a program can let the operating system
    /// choose a port.
    ///
    /// # Errors
    ///
    /// If the vault can't be opened, or the operating system denies what is needed.
    pub fn new(config: Config, listener: TcpListener) -> Result<Self, StartError> {
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        let Config {
            public_url,
            issuers,
            trusted_hop,
            vault,
            directory,
            portal: pages,
            quotas,
            fixed,
            stamp,
            ..
        } = config;
        let address = listener.local_addr().map_err(StartError::Listener)?;
        let hosts = AllowedHosts::new(&public_url).with_listener(address);
        // Before anything that counts: counters belong to the recorder that is there when they are made.
        let metrics = health::install_recorder();
        let authenticator = match trusted_hop {
            Some(hop) => authenticator(&issuers)?.with_trusted_hop(hop),
            None => authenticator(&issuers)?,
        };
        let secrets = vault.open()?;
        let directory = SharedDirectory::new(directory);
        let gateway = Gateway::builder(
            authenticator.clone(),
            directory.clone(),
            secrets.clone(),
            public_url.clone(),
        )
        .with_hosts(hosts.clone())
        .with_quotas(quotas)
        .build()
        .map_err(StartError::Gateway)?;
        let portal = Portal::new(authenticator, directory.clone(), secrets.clone(), public_url)
            .with_hosts(hosts)
            .with_check(CredentialCheck::new().map_err(StartError::Check)?);
        let portal = match pages {
            Some(PortalConfig { sign_in, administrators }) => {
                let portal = portal.with_sign_in(sign_in).map_err(StartError::Portal)?;
                match administrators {
                    Some(rule) => {
                        portal.with_administrators(rule).map_err(StartError::Administrators)?
                    }
                    None => portal,
                }
            }
            None => portal,
        };
        let keys = issuers
            .iter()
            .map(|issuer| (issuer.trusted.issuer().clone(), Arc::clone(&issuer.keys)));
        let health = Health::new(keys.collect(), secrets, metrics);
        let router = portal.router().merge(health.router()).fallback_service(gateway);
        Ok(Self { listener, router, directory, health, fixed, stamp, file: None })
    }

    /// Reads tenants and policy again from `file` when it changes and on `SIGHUP`.
    #[must_use]
    pub fn with_reload(mut self, file: PathBuf) -> Self {
        self.file = Some(file);
        self
    }

    /// All routes, for a program that serves them by itself.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// The tenants and the policy, to read or to replace.
    #[must_use]
    pub fn directory(&self) -> &SharedDirectory {
        &self.directory
    }

    /// Serves until `shutdown` is done, then lets open requests end for some seconds.
    ///
    /// # Errors
    ///
    /// If the listener fails for good.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> std::io::Result<()> {
        let warm_up = tokio::spawn(self.health.clone().fetch_keys());
        let reload = self.file.map(|file| {
            let (directory, health) = (self.directory.clone(), self.health.clone());
            let reload = Reload::new(file, self.stamp, self.fixed, directory, health);
            tokio::spawn(reload.run())
        });
        let served = server::serve(self.listener, self.router, shutdown).await;
        warm_up.abort();
        if let Some(reload) = reload {
            reload.abort();
        }
        served
    }
}

/// One verifier for `Authorization`, and one for each header that holds assertions: an issuer is trusted where the
/// configuration says its tokens are, and nowhere else.
fn authenticator(issuers: &[IssuerConfig]) -> Result<Authenticator, StartError> {
    let mut places: Vec<Option<&HeaderName>> = Vec::new();
    for issuer in issuers {
        if !places.contains(&issuer.header.as_ref()) {
            places.push(issuer.header.as_ref());
        }
    }
    let verifier = |place: Option<&HeaderName>| {
        issuers
            .iter()
            .filter(|issuer| issuer.header.as_ref() == place)
            .fold(Verifier::builder(), |builder, issuer| {
                builder.with_issuer(issuer.trusted.clone())
            })
            .build()
            .map_err(StartError::Issuers)
    };
    let mut authenticator = if places.contains(&None) {
        Authenticator::bearer(verifier(None)?)
    } else {
        Authenticator::without_bearer()
    };
    for place in places.into_iter().flatten() {
        authenticator = authenticator.with_assertion(place.clone(), verifier(Some(place))?);
    }
    Ok(authenticator)
}

impl VaultConfig {
    /// The store and the keys to it.
    ///
    /// # Errors
    ///
    /// [`StartError::Vault`] and [`StartError::OpenBao`] if the store can't be opened.
    pub fn open(self) -> Result<SecretStore, StartError> {
        let vault: Arc<dyn Vault> = match self.store {
            StoreConfig::Memory => {
                tracing::warn!(
                    "the vault is in memory: credentials are gone when the process ends"
                );
                Arc::new(MemoryVault::new())
            }
            StoreConfig::Sqlite(path) => {
                Arc::new(SqliteVault::open(path).map_err(StartError::Vault)?)
            }
            StoreConfig::OpenBao(builder) => {
                Arc::new(builder.build().map_err(StartError::OpenBao)?)
            }
        };
        let store = SecretStore::new(vault, self.keys);
        Ok(if self.dangerous_unsealed { store.dangerous_without_sealing() } else { store })
    }
}
