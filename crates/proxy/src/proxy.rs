//! Everything that the configuration names, put together.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderName;
use bonafide_claims::Verifier;
use bonafide_mcp::{CredentialCheck, Gateway, SharedDirectory};
use bonafide_policy::{Audit, PolicyStore};
use bonafide_portal::Portal;
use bonafide_tower::{AllowedHosts, Authenticator};
use bonafide_vault::{MemoryVault, SecretStore, Vault};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::audit::{self, Lost};
use crate::config::{Config, IssuerConfig, PortalConfig, StoreConfig, VaultConfig};
use crate::health::{self, Health};
use crate::policy;
use crate::reload::Reload;
use crate::routes::Routes;
use crate::server;
use crate::stores::Stores;

/// A proxy that is ready to serve.
#[derive(Debug)]
pub struct Proxy {
    listener: TcpListener,
    routes: Routes,
    reload: Reload,
    audit: Audit,
    settings: server::Settings,
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
    #[error("`vault.store` can't be opened")]
    Vault(#[source] bonafide_sqlite::OpenError),
    /// A PostgreSQL database can't be used as the configuration says.
    #[error("the database can't be used")]
    Postgres(#[source] bonafide_postgres::BuildError),
    /// The SQLite file of the policy can't be opened.
    #[error("`policy.store` can't be opened")]
    PolicyStore(#[source] bonafide_sqlite::OpenError),
    /// The rules in the database can't be used, and there is no policy before.
    #[error("the policy can't be used")]
    Policy(#[source] bonafide_policy::ReloadError),
    /// The SQLite file of the audit can't be opened.
    #[error("`audit.sink` can't be opened")]
    AuditStore(#[source] bonafide_sqlite::OpenError),
    /// Decisions can't be written down.
    #[error("`audit.sink` can't be used")]
    Audit(#[source] bonafide_policy::AuditError),
    /// The store in OpenBao can't be set up.
    #[error("`vault.store` can't be opened")]
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
    /// If a database can't be opened, the rules in one can't be used, or the operating system denies what is needed.
    pub async fn new(config: Config, listener: TcpListener) -> Result<Self, StartError> {
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        let base = config.base();
        let Config {
            public_url,
            issuers,
            trusted_hop,
            vault,
            policy,
            audit,
            portal: pages,
            quotas,
            limits,
            server: settings,
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
        let mut stores = Stores::default();
        let secrets = vault.open_in(&mut stores)?;
        let (audit, trail) = audit::start(&audit, &mut stores)?;
        let store = match &policy.store {
            Some(store) => Some(policy::open(store, &mut stores)? as Arc<dyn PolicyStore>),
            None => None,
        };
        stores.check();
        let directory = base.directory(store.as_ref()).await.map_err(StartError::Policy)?;
        let directory = SharedDirectory::new(directory);
        let gateway = Gateway::builder(
            authenticator.clone(),
            directory.clone(),
            secrets.clone(),
            public_url.clone(),
        )
        .with_hosts(hosts.clone())
        .with_audit(audit.clone())
        .with_quotas(quotas)
        .with_limits(limits)
        .build()
        .map_err(StartError::Gateway)?;
        let portal = Portal::new(authenticator, directory.clone(), secrets.clone(), public_url)
            .with_hosts(hosts)
            .with_audit(audit.clone())
            .with_check(CredentialCheck::new().map_err(StartError::Check)?);
        let portal = match trail {
            Some(trail) => portal.with_audit_trail(trail),
            None => portal,
        };
        let portal = match pages {
            Some(PortalConfig { sign_in, administrators, trusted_proxies }) => {
                let portal = portal.with_trusted_proxies(trusted_proxies);
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
        let routes = Routes::new(gateway, portal.router().merge(health.router()));
        let reload = Reload {
            file: None,
            seen: stamp,
            fixed,
            base,
            waiting: None,
            store,
            directory,
            health,
        };
        Ok(Self { listener, routes, reload, audit, settings })
    }

    /// How long a client may take to send the head of a request, counted from the end of the one before it on the same
    /// connection. By HTTP/2 it is how long a connection stays on which no request is open. Default: what the
    /// configuration says, and 15 s if it says nothing. The body has [`bonafide_mcp::Limits::request_time`].
    #[must_use]
    pub fn with_head_time(mut self, time: Duration) -> Self {
        self.settings.head_time = time;
        self
    }

    /// How long a client may take nothing of what it is sent. Then its connection is broken off. Default: what the
    /// configuration says, and 60 s if it says nothing.
    #[must_use]
    pub fn with_stall_time(mut self, time: Duration) -> Self {
        self.settings.stall_time = time;
        self
    }

    /// How many connections may be open at once. More wait to be accepted. Default: what the configuration says,
    /// and 16 384 if it says nothing.
    #[must_use]
    pub fn with_connections(mut self, connections: usize) -> Self {
        self.settings.connections = connections;
        self
    }

    /// How long requests that run may go on when [`serve`](Self::serve) was told to end. Then they are broken off.
    /// Default: what the configuration says, and 10 s if it says nothing. Standing streams end at once ([`Gateway::drain`]).
    #[must_use]
    pub fn with_drain_time(mut self, time: Duration) -> Self {
        self.settings.drain_time = time;
        self
    }

    /// Reads tenants and policy again from `file` when it changes and on `SIGHUP`. Rules in a database are read again
    /// in any case.
    #[must_use]
    pub fn with_reload(mut self, file: PathBuf) -> Self {
        self.reload.file = Some(file);
        self
    }

    /// All routes, for a program that serves them by itself.
    pub fn router(&self) -> Router {
        self.routes.router().clone()
    }

    /// The tenants and the policy, to read or to replace.
    #[must_use]
    pub fn directory(&self) -> &SharedDirectory {
        &self.reload.directory
    }

    /// Serves until `shutdown` is done. Then standing streams end at once, and requests that run have some time left
    /// ([`with_drain_time`](Self::with_drain_time)).
    ///
    /// # Errors
    ///
    /// If the listener fails for good.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> std::io::Result<()> {
        let background = [
            tokio::spawn(self.reload.health.clone().fetch_keys()),
            tokio::spawn(self.reload.run()),
            tokio::spawn(Lost::new(self.audit.clone()).run()),
        ];
        let served = server::serve(self.listener, self.routes, self.settings, shutdown).await;
        background.iter().for_each(JoinHandle::abort);
        audit::flush(self.audit).await;
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
    /// [`StartError::Vault`], [`StartError::Postgres`] and [`StartError::OpenBao`] if the store can't be opened.
    pub fn open(self) -> Result<SecretStore, StartError> {
        self.open_in(&mut Stores::default())
    }

    /// As [`open`](Self::open), and makes no SQLite file: for what concerns secrets that are stored already.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open), and [`StartError::Vault`] if there is no file.
    pub fn open_existing(self) -> Result<SecretStore, StartError> {
        self.open_in(&mut Stores::existing())
    }

    fn open_in(self, stores: &mut Stores) -> Result<SecretStore, StartError> {
        let vault: Arc<dyn Vault> = match self.store {
            StoreConfig::Memory => {
                tracing::warn!(
                    "the vault is in memory: credentials are gone when the process ends"
                );
                Arc::new(MemoryVault::new())
            }
            StoreConfig::Sqlite(path) => {
                Arc::new(stores.sqlite(&path).map_err(StartError::Vault)?.vault())
            }
            StoreConfig::Postgres(address) => {
                Arc::new(stores.postgres(address).map_err(StartError::Postgres)?.vault())
            }
            StoreConfig::OpenBao(builder) => {
                Arc::new(builder.build().map_err(StartError::OpenBao)?)
            }
        };
        let store = SecretStore::new(vault, self.keys);
        Ok(if self.dangerous_unsealed { store.dangerous_without_sealing() } else { store })
    }
}
