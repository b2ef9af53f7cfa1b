//! Hearing of changes that others make.

use std::convert::Infallible;
use std::future::poll_fn;
use std::hash::{BuildHasher as _, RandomState};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, SimpleQueryMessage, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::cache::SharedCache;
use crate::error::OpenError;

/// For how long a change by another gateway may go unseen, whatever happens to connections and servers.
///
/// It is usually seen within some milliseconds. The bound holds because nothing at hand is believed unless the
/// server has answered, on the connection that listens, since then, and said that it does listen: what was announced
/// before that has arrived. That announcements of others do arrive there is tried when the connection is made.
pub const MAX_STALENESS: Duration = Duration::from_secs(1);

/// How often the server is asked whether it is still there.
const BEAT: Duration = Duration::from_millis(250);

/// How long to wait before another attempt to listen.
const RETRY: Duration = Duration::from_millis(200);

/// The same where announcements do not arrive: it takes a person to change that.
const RETRY_DEAF: Duration = Duration::from_secs(5);

/// How long making the connection may take, with TLS and all.
const CONNECT: Duration = Duration::from_secs(10);

const SECRETS: &str = "bonafide_secrets";
const MAPPING: &str = "bonafide_mapping";
/// Whether announcements arrive at all.
const PROOF: &str = "bonafide_proof";
const LISTEN: &str = "LISTEN bonafide_secrets; LISTEN bonafide_mapping; LISTEN bonafide_proof";
/// What this connection listens to. It is the same for as long as it leads to the same session.
const CHANNELS: &str = "SELECT pg_catalog.pg_listening_channels()";

/// Those who want to hear of changes, and whether all of them are heard.
pub(crate) struct Hub {
    started: Instant,
    /// Until when what is at hand may be believed, in nanoseconds after `started`.
    heard_until: AtomicU64,
    caches: Mutex<Vec<Weak<SharedCache>>>,
    /// How often the mapping may have changed. 0 until the server is listened to for the first time.
    mapping: watch::Sender<u64>,
}

impl Hub {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            heard_until: AtomicU64::new(0),
            caches: Mutex::default(),
            mapping: watch::Sender::new(0),
        }
    }

    /// Tells `cache` of changes from now on.
    pub(crate) fn add(&self, cache: &Arc<SharedCache>) {
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        caches.retain(|cache| cache.strong_count() > 0);
        caches.push(Arc::downgrade(cache));
    }

    /// Whether every change up to [`MAX_STALENESS`] ago has been heard of.
    pub(crate) fn hears(&self) -> bool {
        let until = Duration::from_nanos(self.heard_until.load(Ordering::SeqCst));
        self.started.elapsed() < until
    }

    /// The server answered, on the connection that listens, to what it was asked at `asked`.
    fn heard(&self, asked: Instant) {
        let until = asked.duration_since(self.started) + MAX_STALENESS;
        let until = u64::try_from(until.as_nanos()).unwrap_or(u64::MAX);
        self.heard_until.store(until, Ordering::SeqCst);
    }

    /// The version of the mapping that is read from now on. Waits up to `limit` for the server to be listened to, so
    /// that what is read then is not taken for outdated when it is.
    pub(crate) async fn mapping_version(&self, limit: Duration) -> u64 {
        let mut versions = self.mapping.subscribe();
        let listened = timeout(limit, versions.wait_for(|version| *version > 0)).await;
        // The sender is ours. If nobody listens, whoever reads finds out why.
        listened.ok().and_then(Result::ok).map_or(0, |version| *version)
    }

    /// Waits until the mapping may be another one than `version`.
    pub(crate) async fn mapping_after(&self, version: u64) {
        let mut versions = self.mapping.subscribe();
        let _ = versions.wait_for(|now| *now != version).await;
    }

    /// Waits until nothing was heard of the server for `limit`.
    pub(crate) async fn deaf(&self, limit: Duration) {
        let mut heard = Instant::now();
        while heard.elapsed() < limit {
            sleep(BEAT).await;
            if self.hears() {
                heard = Instant::now();
            }
        }
    }

    /// Anything may have changed.
    fn missed(&self) {
        self.each(SharedCache::forget_all);
        self.mapping_changed();
    }

    fn notified(&self, channel: &str, payload: &str) {
        match channel {
            SECRETS => self.each(|cache| cache.notified(payload)),
            MAPPING => self.mapping_changed(),
            _ => {}
        }
    }

    fn mapping_changed(&self) {
        self.mapping.send_modify(|version| *version += 1);
    }

    fn each(&self, tell: impl Fn(&SharedCache)) {
        let caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        caches.iter().filter_map(Weak::upgrade).for_each(|cache| tell(&cache));
    }
}

/// The connection that listens. It is made when it is first needed, and again whenever it breaks.
pub(crate) struct Listener {
    runtime: Handle,
    config: Config,
    tls: MakeRustlsConnect,
    task: OnceLock<JoinHandle<()>>,
}

impl Listener {
    pub(crate) fn new(runtime: Handle, config: Config, tls: MakeRustlsConnect) -> Self {
        Self { runtime, config, tls, task: OnceLock::new() }
    }

    /// Where all that this database needs is run.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(crate) fn start(&self, hub: &Arc<Hub>) {
        self.task.get_or_init(|| {
            let (config, tls, hub) = (self.config.clone(), self.tls.clone(), Arc::clone(hub));
            self.runtime.spawn(async move { run(&config, &tls, &hub).await })
        });
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

async fn run(config: &Config, tls: &MakeRustlsConnect, hub: &Hub) {
    let mut lost = false;
    loop {
        let Err(error) = listen(config, tls, hub, &mut lost).await;
        if !lost {
            lost = true;
            tracing::warn!(%error, "not listening for changes: each read asks the database until it is");
        }
        sleep(if matches!(error, OpenError::Deaf) { RETRY_DEAF } else { RETRY }).await;
    }
}

/// Listens for as long as the connection lasts.
async fn listen(
    config: &Config,
    tls: &MakeRustlsConnect,
    hub: &Hub,
    lost: &mut bool,
) -> Result<Infallible, OpenError> {
    let (client, mut connection) = connect(config, tls).await?;
    // Not a secret: it tells our own word from those of others.
    let word = format!("{:016x}", RandomState::new().hash_one(()));
    let proven = Notify::new();
    // What the server sends is taken in the order in which it comes: a change before the answer to a question
    // that was asked after it.
    let receive = async {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            let AsyncMessage::Notification(said) = message? else { continue };
            match said.channel() {
                PROOF if said.payload() == word => proven.notify_one(),
                channel => hub.notified(channel, said.payload()),
            }
        }
        Err(closed())
    };
    let beat = async {
        within(client.batch_execute(LISTEN)).await?;
        // A pooler that gives each statement another connection takes the question, and passes nothing on.
        say(config, tls, &word).await?;
        timeout(MAX_STALENESS, proven.notified()).await.map_err(|_| OpenError::Deaf)?;
        beat(&client, hub, lost).await
    };
    let (receive, beat) = (pin!(receive), pin!(beat));
    tokio::select! {
        biased;
        ended = receive => ended,
        ended = beat => ended,
    }
}

/// Announces something, as another gateway would: on a connection of its own.
async fn say(config: &Config, tls: &MakeRustlsConnect, word: &str) -> Result<(), OpenError> {
    let (client, connection) = connect(config, tls).await?;
    let notify = format!("NOTIFY {PROOF}, '{word}'");
    tokio::select! {
        said = within(client.batch_execute(&notify)) => said,
        ended = connection => Err(ended.err().map_or_else(closed, OpenError::from)),
    }
}

async fn beat(client: &Client, hub: &Hub, lost: &mut bool) -> Result<Infallible, OpenError> {
    hub.missed();
    loop {
        let asked = Instant::now();
        let listening = within(client.simple_query(CHANNELS)).await?;
        if !all_channels(&listening) {
            return Err(OpenError::Deaf);
        }
        hub.heard(asked);
        if std::mem::take(lost) {
            tracing::info!("listening for changes again");
        }
        sleep(BEAT).await;
    }
}

fn all_channels(listening: &[SimpleQueryMessage]) -> bool {
    let is_listened_to = |channel| {
        listening.iter().any(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0) == Some(channel),
            _ => false,
        })
    };
    [SECRETS, MAPPING].into_iter().all(is_listened_to)
}

async fn connect(
    config: &Config,
    tls: &MakeRustlsConnect,
) -> Result<(Client, Connection<Socket, TlsStream>), OpenError> {
    match timeout(CONNECT, config.connect(tls.clone())).await {
        Ok(connected) => Ok(connected?),
        Err(_) => Err(OpenError::Slow { limit: CONNECT }),
    }
}

type TlsStream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

fn closed() -> OpenError {
    OpenError::Connect { reason: "the connection was closed".to_owned() }
}

/// A server that takes longer than this for so little is not there.
async fn within<T>(
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, OpenError> {
    match timeout(MAX_STALENESS, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(OpenError::Slow { limit: MAX_STALENESS }),
    }
}
