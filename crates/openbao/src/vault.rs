//! The store.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bonafide_claims::UserId;
use bonafide_policy::TenantId;
use bonafide_vault::{
    Lookup, Owner, ReadCache, Record, Replacement, SecretId, SecretName, Shelf, StoreError, Vault,
};
use http::Method;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinHandle;

use crate::auth::{Auth, Credentials};
use crate::builder::OpenBaoVaultBuilder;
use crate::client::{Answer, Client, Question};
use crate::document::{self, Document, Rows};
use crate::error::RequestError;
use crate::listing::Listings;
use crate::path;

/// How many owners a vault keeps secrets of in memory, unless told otherwise.
pub const DEFAULT_CACHED_OWNERS: usize = 16 * 1024;

/// How long a change by another process may go unseen, unless told otherwise.
pub const DEFAULT_STALENESS: Duration = Duration::from_secs(1);

/// How often a change is tried again when others change the same entry.
const TRIES: u32 = 24;

/// How many changes of this process may be under way at once. Those to one entry wait for each other.
const TURNS: usize = 64;

/// Sealed secrets in a key-value engine, version 2, of OpenBao or HashiCorp Vault.
///
/// Needs a Tokio runtime. The server is asked at the first use.
pub struct OpenBaoVault {
    server: Arc<Server>,
    mount: String,
    path: String,
    cache: ReadCache,
    staleness: Duration,
    started: Instant,
    /// When the cache was emptied last, in nanoseconds after `started`.
    emptied: AtomicU64,
    turns: Box<[Mutex<()>]>,
    hasher: RandomState,
    pub(crate) listings: Listings,
    renewal: OnceLock<JoinHandle<()>>,
}

#[derive(Debug)]
struct Server {
    client: Client,
    auth: Auth,
}

impl OpenBaoVault {
    /// A store at `address`: `https://HOST:PORT`, or `http` on loopback.
    #[must_use]
    pub fn builder(address: impl Into<String>, credentials: Credentials) -> OpenBaoVaultBuilder {
        OpenBaoVaultBuilder::new(address.into(), credentials)
    }

    pub(crate) fn new(
        client: Client,
        auth: Auth,
        mount: String,
        path: String,
        cached_owners: usize,
        staleness: Duration,
    ) -> Self {
        Self {
            server: Arc::new(Server { client, auth }),
            mount,
            path,
            cache: ReadCache::new(cached_owners),
            staleness,
            started: Instant::now(),
            emptied: AtomicU64::new(0),
            turns: (0..TURNS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            listings: Listings::default(),
            renewal: OnceLock::new(),
        }
    }

    /// Asks with a valid token, with a new one if the first is refused.
    async fn ask(&self, question: Question<'_>) -> Result<Answer, RequestError> {
        let Server { client, auth } = &*self.server;
        let session = auth.session(client).await?;
        self.renewal.get_or_init(|| tokio::spawn(keep_alive(Arc::downgrade(&self.server))));
        let answer = client.ask(Some(&session.token), &question).await?;
        if answer.status != 403 || !auth.give_up(&session).await {
            return Ok(answer);
        }
        let session = auth.session(client).await?;
        client.ask(Some(&session.token), &question).await
    }

    /// What is stored for an owner, and the version of the entry: 0 if there is none.
    pub(crate) async fn fetch(&self, owner: Owner<'_>) -> Result<(u64, Rows), StoreError> {
        let path = format!("{}/data/{}", self.mount, path::of(&self.path, owner));
        let answer = self.ask(Question::new(Method::GET, &path)).await?;
        match answer.status {
            200 => {
                let Found { data: Entry { data, metadata } } = answer.json()?;
                Ok((metadata.version, document::read(data.ok_or(RequestError::Answer)?)?))
            }
            404 => Ok((version_of_nothing(&answer)?, Rows::new())),
            _ => Err(answer.refused().into()),
        }
    }

    /// Writes an entry if it still has `version`. Says whether it had; the server calls every request that it
    /// does not take a 400.
    async fn put(&self, owner: Owner<'_>, version: u64, rows: &Rows) -> Result<bool, StoreError> {
        let path = path::of(&self.path, owner);
        if version == 0 {
            self.listings.forget();
            let metadata = format!("{}/metadata/{path}", self.mount);
            let one_version = Settings { max_versions: 1, cas_required: true };
            let answer = self.ask(Question::post(&metadata, &one_version)?).await?;
            if !matches!(answer.status, 200 | 204) {
                return Err(answer.refused().into());
            }
        }
        let path = format!("{}/data/{path}", self.mount);
        let write = Write { options: Options { cas: version }, data: document::write(rows) };
        let answer = self.ask(Question::post(&path, &write)?).await?;
        match answer.status {
            // An engine of version 1 answers without a version, having stored something else.
            200 => Ok(answer.json::<Written>()?.data.version > version),
            400 => Ok(false),
            204 => Err(RequestError::Answer.into()),
            _ => Err(answer.refused().into()),
        }
    }

    /// Reads an entry, changes it and writes it, again if somebody else was faster. `change` says whether there is
    /// anything to write, and may be called several times.
    async fn change<T>(
        &self,
        owner: Owner<'_>,
        mut change: impl FnMut(&mut Rows) -> (bool, T) + Send,
    ) -> Result<T, StoreError>
    where
        T: Send,
    {
        let _turn = self.turn(owner).await;
        // Also after an error, and when the caller stops waiting: the change may have been made.
        let _forget = Forget { cache: &self.cache, owner };
        let mut refused = None;
        for attempt in 0..TRIES {
            let (version, mut rows) = self.fetch(owner).await?;
            let (changed, result) = change(&mut rows);
            if !changed {
                return Ok(result);
            }
            if refused == Some(version) {
                // Nobody was faster: it is the request itself that the server does not take.
                return Err(RequestError::Status { status: 400 }.into());
            }
            if self.put(owner, version, &rows).await? {
                return Ok(result);
            }
            refused = Some(version);
            tokio::time::sleep(self.pause(attempt)).await;
        }
        Err(RequestError::Contended.into())
    }

    /// Longer each time, and not the same for everybody.
    fn pause(&self, attempt: u32) -> Duration {
        let random = RandomState::new().hash_one(attempt) % 8;
        Duration::from_millis((random + 1) * u64::from(attempt + 1))
    }

    async fn turn(&self, owner: Owner<'_>) -> Option<MutexGuard<'_, ()>> {
        let turns = u64::try_from(self.turns.len()).ok().filter(|&turns| turns > 0)?;
        let at = usize::try_from(self.hasher.hash_one(owner) % turns).ok()?;
        Some(self.turns.get(at)?.lock().await)
    }

    /// All secrets of one owner, from the cache or the server.
    async fn shelf(&self, owner: Owner<'_>) -> Result<Shelf, StoreError> {
        self.empty_cache_in_time();
        match self.cache.lookup(owner) {
            Lookup::Hit(shelf) => Ok(shelf),
            Lookup::Miss(ticket) => {
                let (_, rows) = self.fetch(owner).await?;
                let shelf = Shelf::from_iter(rows);
                self.cache.fill(ticket, owner, &shelf);
                Ok(shelf)
            }
        }
    }

    fn empty_cache_in_time(&self) {
        let now = self.started.elapsed();
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let emptied = self.emptied.load(Ordering::SeqCst);
        if nanos(now).saturating_sub(emptied) < nanos(self.staleness) {
            return;
        }
        let emptied =
            self.emptied.compare_exchange(emptied, nanos(now), Ordering::SeqCst, Ordering::SeqCst);
        if emptied.is_ok() {
            self.cache.forget_all();
        }
    }

    /// The names below a path, those of directories with `/` at the end.
    pub(crate) async fn names(&self, below: &[&str]) -> Result<Vec<String>, StoreError> {
        let path = format!("{}/metadata/{}", self.mount, path::join(&self.path, below));
        let answer = self.ask(Question::list(&path)).await?;
        match answer.status {
            200 => Ok(answer.json::<Listed>()?.data.keys),
            404 => version_of_nothing(&answer).map(|_| Vec::new()).map_err(StoreError::from),
            _ => Err(answer.refused().into()),
        }
    }

    async fn remove_entry(&self, owner: Owner<'_>) -> Result<u64, StoreError> {
        let _turn = self.turn(owner).await;
        let _forget = Forget { cache: &self.cache, owner };
        let (_, rows) = self.fetch(owner).await?;
        let path = format!("{}/metadata/{}", self.mount, path::of(&self.path, owner));
        let answer = self.ask(Question::new(Method::DELETE, &path)).await?;
        match answer.status {
            200 | 204 => Ok(rows.len() as u64),
            _ => Err(answer.refused().into()),
        }
    }
}

/// Renews the session until the store is gone.
async fn keep_alive(server: Weak<Server>) {
    loop {
        let Some(due) = server.upgrade() else { return };
        let due = due.auth.due().await;
        tokio::time::sleep(due).await;
        let Some(server) = server.upgrade() else { return };
        server.auth.renew(&server.client).await;
    }
}

struct Forget<'a> {
    cache: &'a ReadCache,
    owner: Owner<'a>,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.cache.forget(self.owner);
    }
}

#[derive(Deserialize)]
struct Found {
    data: Entry,
}

#[derive(Deserialize)]
struct Entry {
    data: Option<Document>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    version: u64,
}

#[derive(Serialize)]
struct Settings {
    max_versions: u32,
    cas_required: bool,
}

#[derive(Serialize)]
struct Write {
    options: Options,
    data: Document,
}

#[derive(Serialize)]
struct Options {
    cas: u64,
}

#[derive(Deserialize)]
struct Written {
    data: Metadata,
}

#[derive(Deserialize)]
struct Listed {
    data: Keys,
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<String>,
}

/// Nothing there, and not something else that is a 404: a path without an engine comes with a message. An entry whose
/// last version somebody deleted still has that version.
fn version_of_nothing(answer: &Answer) -> Result<u64, RequestError> {
    #[derive(Deserialize)]
    struct Nothing {
        #[serde(default)]
        errors: Option<Vec<String>>,
        #[serde(default)]
        data: Option<Deleted>,
    }
    #[derive(Deserialize)]
    struct Deleted {
        metadata: Metadata,
    }
    let nothing: Nothing = answer.json()?;
    match (nothing.data, nothing.errors) {
        (Some(deleted), _) => Ok(deleted.metadata.version),
        (None, Some(errors)) if errors.is_empty() => Ok(0),
        _ => Err(answer.refused()),
    }
}

#[async_trait]
impl Vault for OpenBaoVault {
    async fn read(
        &self,
        owner: Owner<'_>,
        names: &[SecretName],
    ) -> Result<Vec<Option<Record>>, StoreError> {
        Ok(self.shelf(owner).await?.read(names))
    }

    async fn list(&self, owner: Owner<'_>) -> Result<Vec<(SecretName, Record)>, StoreError> {
        Ok(self.shelf(owner).await?.list())
    }

    async fn write(
        &self,
        owner: Owner<'_>,
        name: &SecretName,
        record: Record,
    ) -> Result<(), StoreError> {
        let insert = |rows: &mut Rows| (true, drop(rows.insert(name.clone(), record.clone())));
        self.change(owner, insert).await
    }

    async fn remove(&self, owner: Owner<'_>, name: &SecretName) -> Result<bool, StoreError> {
        // An entry without secrets stays, because the server has no check-and-set for its removal.
        let remove = |rows: &mut Rows| {
            let removed = rows.remove(name).is_some();
            (removed, removed)
        };
        self.change(owner, remove).await
    }

    async fn remove_user(&self, user: &UserId) -> Result<u64, StoreError> {
        self.listings.forget();
        let mut removed = 0;
        for tenant in self.names(&user.parts()).await? {
            let tenant: TenantId = path::decode(&tenant)
                .and_then(|tenant| tenant.parse().ok())
                .ok_or_else(|| document::damaged("a path is not that of a tenant"))?;
            removed += self.remove_entry(Owner::new(user, &tenant)).await?;
        }
        Ok(removed)
    }

    async fn scan(
        &self,
        after: Option<&SecretId>,
        limit: usize,
    ) -> Result<Vec<(SecretId, Record)>, StoreError> {
        self.page(after, limit).await
    }

    async fn replace(&self, changes: Vec<Replacement>) -> Result<Vec<bool>, StoreError> {
        let mut entries: BTreeMap<Owner<'_>, Vec<(usize, &Replacement)>> = BTreeMap::new();
        for (at, change) in changes.iter().enumerate() {
            entries.entry(change.id.owner()).or_default().push((at, change));
        }
        let mut made = vec![false; changes.len()];
        for (owner, changes) in entries {
            let done = self.change(owner, |rows| replaced(rows, &changes)).await?;
            for (at, done) in done {
                if let Some(made) = made.get_mut(at) {
                    *made = done;
                }
            }
        }
        Ok(made)
    }
}

fn replaced(rows: &mut Rows, changes: &[(usize, &Replacement)]) -> (bool, Vec<(usize, bool)>) {
    let made: Vec<_> = changes
        .iter()
        .map(|(at, Replacement { id, expected, record })| {
            let fits = rows.get(id.name()).map(Record::envelope) == expected.as_ref();
            if fits {
                rows.insert(id.name().clone(), record.clone());
            }
            (*at, fits)
        })
        .collect();
    (made.iter().any(|(_, made)| *made), made)
}

impl Drop for OpenBaoVault {
    fn drop(&mut self) {
        if let Some(renewal) = self.renewal.get() {
            renewal.abort();
        }
    }
}

/// Shows where it is and the size of the cache.
impl fmt::Debug for OpenBaoVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenBaoVault")
            .field("mount", &self.mount)
            .field("path", &self.path)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}
