//! Connections to one database, shared by all that use it.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    Client, Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime,
};
use secrecy::ExposeSecret;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tokio_postgres::config::{ChannelBinding, SslMode, TargetSessionAttrs};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::address::{Address, Host};
use crate::audit::{PostgresAudit, PostgresTrail};
use crate::error::OpenError;
use crate::hub::{Hub, Listener};
use crate::mapping::PostgresMapping;
use crate::vault::PostgresVault;
use crate::{schema, tls};

/// How many connections there are at most, unless told otherwise.
pub const DEFAULT_CONNECTIONS: usize = 8;

/// How long to wait for a connection, and then for an answer, unless told otherwise.
pub const DEFAULT_TIME_LIMIT: Duration = Duration::from_secs(5);

/// How much longer than the server we wait for its answer, so that the usual case is the server's own refusal.
const GRACE: Duration = Duration::from_millis(500);

/// A database, as a process uses it: a pool of connections, and one that listens for changes.
///
/// Cloning costs a reference count, and clones share all of it. Make one for each process and address.
///
/// Connections are made when they are needed, so a database that is away does not keep a program from
/// starting. Those that break are replaced by themselves.
#[derive(Clone)]
pub struct Postgres {
    inner: Arc<Inner>,
}

struct Inner {
    address: Address,
    pool: Pool,
    /// Whether the tables were found to be as they should be, or brought up to date.
    ready: OnceCell<()>,
    hub: Arc<Hub>,
    listener: Listener,
    acquire: Duration,
    statement: Duration,
}

/// How to use a database.
#[derive(Debug, Clone)]
pub struct PostgresBuilder {
    address: Address,
    connections: usize,
    acquire: Duration,
    statement: Duration,
}

/// Why a database cannot be used as it is configured. No connection was tried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The file that `sslrootcert` names cannot be used.
    #[error("`sslrootcert` names `{}`, which cannot be used", path.display())]
    Authorities {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// TLS cannot be set up, as when the platform has no certificates.
    #[error("TLS cannot be set up: install the certificates of the platform, or set `sslrootcert`")]
    Tls {
        /// What is wrong.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// There is no Tokio runtime here.
    #[error("there is no Tokio runtime here: call this from inside one")]
    NoRuntime,
    /// The system has no random numbers.
    #[error("the system has no random numbers")]
    Random,
    /// The pool cannot be made.
    #[error("the pool of connections cannot be made")]
    Pool {
        /// What is wrong.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl Postgres {
    /// The database at `address`, with the usual settings.
    ///
    /// # Errors
    ///
    /// As for [`PostgresBuilder::build`].
    pub fn new(address: Address) -> Result<Self, BuildError> {
        Self::builder(address).build()
    }

    /// A way to use the database at `address` with other than the usual settings.
    #[must_use]
    pub fn builder(address: Address) -> PostgresBuilder {
        PostgresBuilder {
            address,
            connections: DEFAULT_CONNECTIONS,
            acquire: DEFAULT_TIME_LIMIT,
            statement: DEFAULT_TIME_LIMIT,
        }
    }

    /// Where the database is.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.inner.address
    }

    /// The secrets in this database.
    #[must_use]
    pub fn vault(&self) -> PostgresVault {
        PostgresVault::new(self.clone())
    }

    /// The policy in this database: the table `group_tenant_mapping`.
    #[must_use]
    pub fn mapping(&self) -> PostgresMapping {
        PostgresMapping::new(self.clone())
    }

    /// The audit in this database, to read.
    #[must_use]
    pub fn trail(&self) -> PostgresTrail {
        PostgresTrail::new(self.clone())
    }

    /// The audit in this database, to write.
    ///
    /// # Errors
    ///
    /// [`BuildError::Random`] if the system has no random numbers, which name a sink.
    pub fn audit(&self) -> Result<PostgresAudit, BuildError> {
        PostgresAudit::new(self.clone(), self.inner.listener.runtime().clone())
    }

    /// Connects, and makes the tables or brings them up to date. Need not be called: the first use does the
    /// same. Says what is wrong before anybody has to wait for it.
    ///
    /// # Errors
    ///
    /// An [`OpenError`] that says why the database cannot be used.
    pub async fn prepare(&self) -> Result<(), OpenError> {
        self.client().await.map(drop)
    }

    /// A connection to a database whose tables are as they should be.
    pub(crate) async fn client(&self) -> Result<Client, OpenError> {
        let Inner { pool, ready, acquire, .. } = &*self.inner;
        let client = match timeout(*acquire, pool.get()).await {
            Ok(client) => client.map_err(|error| OpenError::from_pool(error, *acquire))?,
            Err(_) => return Err(OpenError::Slow { limit: *acquire }),
        };
        if ready.initialized() {
            return Ok(client);
        }
        let mut client = client;
        ready.get_or_try_init(|| schema::prepare(&mut client)).await?;
        Ok(client)
    }

    /// What one statement finds, or does. If the connection breaks, it is unknown whether it was done.
    pub(crate) async fn query(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, OpenError> {
        let client = self.client().await?;
        let limit = self.inner.statement + GRACE;
        let answer = timeout(limit, async {
            let statement = client.prepare_cached(sql).await?;
            client.query(&statement, parameters).await
        });
        let answer = answer.await;
        self.settled(client, answer, limit)
    }

    /// Gives the connection back, unless it is not worth it.
    pub(crate) fn settled<T, E: Into<OpenError>>(
        &self,
        client: Client,
        answer: Result<Result<T, E>, Elapsed>,
        limit: Duration,
    ) -> Result<T, OpenError> {
        let Ok(answer) = answer else {
            // The answer may still come, or never: nobody else is to wait for it.
            drop(Client::take(client));
            return Err(OpenError::Slow { limit });
        };
        let answer = answer.map_err(E::into);
        if answer.as_ref().is_err_and(OpenError::is_about_the_connection) {
            // What broke this one may have broken those that nobody is using as well.
            drop(Client::take(client));
            self.inner.pool.retain(|_, _| false);
        }
        answer
    }

    /// As [`query`](Self::query), once more if the connection breaks. For statements that change nothing.
    pub(crate) async fn read(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, OpenError> {
        match self.query(sql, parameters).await {
            Err(error) if error.is_about_the_connection() => self.query(sql, parameters).await,
            answer => answer,
        }
    }

    /// How long to wait for a connection.
    pub(crate) fn connect_limit(&self) -> Duration {
        self.inner.acquire
    }

    /// Who hears of changes.
    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.inner.hub
    }

    /// The same. From the first call on, the server is listened to.
    pub(crate) fn listening(&self) -> &Arc<Hub> {
        self.inner.listener.start(&self.inner.hub);
        &self.inner.hub
    }
}

impl PostgresBuilder {
    /// Makes at most `connections`, and one more that listens for changes. The default is
    /// [`DEFAULT_CONNECTIONS`], the least is 1.
    #[must_use]
    pub fn with_connections(self, connections: usize) -> Self {
        Self { connections: connections.max(1), ..self }
    }

    /// Waits at most this long for a connection: until one is free, or made. The default is
    /// [`DEFAULT_TIME_LIMIT`].
    #[must_use]
    pub fn with_connect_limit(self, limit: Duration) -> Self {
        Self { acquire: limit, ..self }
    }

    /// Lets a statement take at most this long, to the millisecond. The default is [`DEFAULT_TIME_LIMIT`].
    #[must_use]
    pub fn with_statement_limit(self, limit: Duration) -> Self {
        Self { statement: limit.max(Duration::from_millis(1)), ..self }
    }

    /// Makes it, without connecting yet.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] if TLS cannot be set up as the address asks for, or if there is no Tokio runtime.
    pub fn build(self) -> Result<Postgres, BuildError> {
        let runtime = Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        let tls = tls::connector(&self.address)?;
        let acquire = self.address.connect_timeout.unwrap_or(self.acquire);
        let config = config(&self.address, acquire);
        let hub = Arc::new(Hub::new());
        let listener = Listener::new(runtime, config.clone(), tls.clone());
        let pool = pool(config, tls, self.connections, self.statement)?;
        let (address, statement) = (self.address, self.statement);
        let ready = OnceCell::new();
        let inner = Inner { address, pool, ready, hub, listener, acquire, statement };
        Ok(Postgres { inner: Arc::new(inner) })
    }
}

fn pool(
    config: Config,
    tls: MakeRustlsConnect,
    connections: usize,
    statement: Duration,
) -> Result<Pool, BuildError> {
    let fast = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let session: Arc<str> = session(statement).into();
    let hook = Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
        let session = Arc::clone(&session);
        Box::pin(async move { client.batch_execute(&session).await.map_err(HookError::Backend) })
    });
    Pool::builder(Manager::from_config(config, tls, fast))
        .max_size(connections)
        .runtime(Runtime::Tokio1)
        .post_create(hook)
        .build()
        .map_err(|error| BuildError::Pool { source: Box::new(error) })
}

/// What each connection begins with: what a database or a role may have set differently, and we rely on.
fn session(statement: Duration) -> String {
    let millis = statement.as_millis();
    // A change must be on the disk when it is reported as made. Where an operator asks for more than the
    // server's own disk, as with `remote_apply`, it stays.
    format!(
        "SET statement_timeout = {millis};
         SET idle_in_transaction_session_timeout = {millis};
         SET default_transaction_isolation = 'read committed';
         SET search_path = pg_catalog;
         SELECT set_config('synchronous_commit', 'on', false)
          WHERE current_setting('synchronous_commit') = 'off'"
    )
}

fn config(address: &Address, connect: Duration) -> Config {
    let mut config = Config::new();
    match &address.host {
        Host::Ip(ip) => config.host(ip.to_string()),
        Host::Name(name) => config.host(&**name),
        #[cfg(unix)]
        Host::Socket(path) => config.host_path(path),
        #[cfg(not(unix))]
        Host::Socket(path) => config.host(path.display().to_string()),
    };
    let (encrypted, binding) = match (address.uses_tls(), address.binding_required) {
        (true, true) => (SslMode::Require, ChannelBinding::Require),
        (true, false) => (SslMode::Require, ChannelBinding::Prefer),
        (false, _) => (SslMode::Disable, ChannelBinding::Disable),
    };
    config
        .port(address.port)
        .user(&*address.user)
        .dbname(&*address.database)
        .application_name(&*address.application_name)
        .ssl_mode(encrypted)
        .channel_binding(binding)
        .connect_timeout(connect)
        // A peer that is gone without a word is noticed, also while nothing is asked.
        .keepalives_idle(Duration::from_secs(30))
        .tcp_user_timeout(Duration::from_secs(20))
        // A standby answers with what was true some time ago, and takes no changes.
        .target_session_attrs(TargetSessionAttrs::ReadWrite);
    if let Some(password) = &address.password {
        config.password(password.expose_secret());
    }
    config
}

/// Shows the address without the password.
impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("address", &self.inner.address).finish_non_exhaustive()
    }
}
