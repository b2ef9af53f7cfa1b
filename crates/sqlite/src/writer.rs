//! The thread that makes changes.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bonafide_claims::UserId;
use bonafide_vault::{Record, Replacement, SecretId, StoreError};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::error::RowError;
use crate::freshness::Freshness;
use crate::open::{BUSY_TIMEOUT, OpenError};
use crate::rows;

/// How many changes may wait. Whoever brings one more waits as well.
const QUEUE_LEN: usize = 1024;

/// How many changes share one sync at most.
const BATCH_LEN: usize = 128;

/// A change to the file.
pub(crate) enum Change {
    Write(SecretId, Record),
    Remove(SecretId),
    RemoveUser(UserId),
    Replace(Vec<Replacement>),
}

/// What a change did.
pub(crate) enum Done {
    /// So many rows.
    Rows(u64),
    /// For each replacement, whether it was made.
    Each(Vec<bool>),
}

/// Something that has to wait for locks and disks.
enum Job {
    Change(Change, oneshot::Sender<Result<Done, StoreError>>),
    Read(Box<dyn FnOnce(&Connection) + Send>),
    Write(Box<dyn FnOnce(&mut Connection) + Send>),
}

/// Hands jobs to the thread. The thread ends when this is dropped, after what is queued.
pub(crate) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn start(shared: Arc<Shared>) -> Result<Self, OpenError> {
        let (jobs, queue) = mpsc::channel(QUEUE_LEN);
        let thread = thread::Builder::new()
            .name("bonafide-sqlite".to_owned())
            .spawn(move || run(&shared, queue))
            .map_err(|source| OpenError::Thread { source })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Makes a change; it is on the disk when this returns. It is made also if the caller stops waiting.
    pub(crate) async fn change(&self, change: Change) -> Result<Done, StoreError> {
        let (reply, done) = oneshot::channel();
        self.send(Job::Change(change, reply)).await?;
        done.await.map_err(|_| gone())?
    }

    /// Reads where waiting for a lock or a disk is allowed.
    pub(crate) async fn read<T: Send + 'static, E: From<RowError> + Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let (reply, done) = oneshot::channel();
        let job = Box::new(move |connection: &Connection| {
            // Nobody may be waiting any more.
            let _ = reply.send(read(connection));
        });
        self.send(Job::Read(job)).await.map_err(RowError::Store)?;
        done.await.map_err(|_| RowError::Store(gone()))?
    }

    /// Makes a change that is not about secrets, in a transaction of its own; it is on the disk when this returns.
    pub(crate) async fn write<T: Send + 'static, E: From<RowError> + Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let (job, done) = write_job(change);
        self.send(job).await.map_err(RowError::Store)?;
        done.await.map_err(|_| RowError::Store(gone()))?
    }

    /// The same for a thread that may wait. Not to be called where futures run.
    pub(crate) fn write_and_wait<T: Send + 'static, E: From<RowError> + Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let (job, done) = write_job(change);
        let jobs = self.jobs.as_ref().ok_or_else(|| RowError::Store(gone()))?;
        jobs.blocking_send(job).map_err(|_| RowError::Store(gone()))?;
        done.blocking_recv().map_err(|_| RowError::Store(gone()))?
    }

    async fn send(&self, job: Job) -> Result<(), StoreError> {
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(job).await.map_err(|_| gone())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

fn gone() -> StoreError {
    StoreError::Bug { what: "the thread for changes has ended" }
}

fn write_job<T: Send + 'static, E: From<RowError> + Send + 'static>(
    change: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
) -> (Job, oneshot::Receiver<Result<T, E>>) {
    let (reply, done) = oneshot::channel();
    let job = Job::Write(Box::new(move |connection: &mut Connection| {
        // Nobody may be waiting any more.
        let _ = reply.send(in_transaction(connection, change));
    }));
    (job, done)
}

fn in_transaction<T, E: From<RowError>>(
    connection: &mut Connection,
    change: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(RowError::from)?;
    let done = change(&transaction)?;
    transaction.commit().map_err(RowError::from)?;
    Ok(done)
}

/// What the thread has in common with those who read.
pub(crate) struct Shared {
    pub(crate) connection: Mutex<Connection>,
    pub(crate) freshness: Freshness,
}

fn run(shared: &Shared, mut queue: mpsc::Receiver<Job>) {
    let mut jobs = Vec::with_capacity(BATCH_LEN);
    while queue.blocking_recv_many(&mut jobs, BATCH_LEN) > 0 {
        let mut connection = shared.connection.lock().unwrap_or_else(PoisonError::into_inner);
        // Only this thread waits for the locks of other processes: see `Freshness::confirm`.
        let _ = connection.busy_timeout(BUSY_TIMEOUT);
        let mut changes = Vec::with_capacity(jobs.len());
        let (mut reads, mut writes) = (Vec::new(), Vec::new());
        for job in jobs.drain(..) {
            match job {
                Job::Change(change, reply) => changes.push((change, reply)),
                Job::Read(read) => reads.push(read),
                Job::Write(write) => writes.push(write),
            }
        }
        make(&mut connection, &shared.freshness, changes);
        writes.into_iter().for_each(|write| write(&mut connection));
        reads.into_iter().for_each(|read| read(&connection));
        let _ = connection.busy_timeout(Duration::ZERO);
    }
}

type Waiting = (Change, oneshot::Sender<Result<Done, StoreError>>);

/// Makes changes together, with one sync. If that fails, each by itself, so that none fails for another.
fn make(connection: &mut Connection, freshness: &Freshness, mut changes: Vec<Waiting>) {
    if changes.is_empty() {
        return;
    }
    let result = commit(connection, changes.iter().map(|(change, _)| change));
    // Also after an error: it does not say whether the change is on the disk.
    changes.iter().for_each(|(change, _)| forget(freshness, change));
    match result {
        Ok(done) => {
            for ((_, reply), done) in changes.into_iter().zip(done) {
                let _ = reply.send(Ok(done));
            }
        }
        Err(error) if changes.len() == 1 => {
            if let Some((_, reply)) = changes.pop() {
                let _ = reply.send(Err(error.into()));
            }
        }
        Err(_) => changes.into_iter().for_each(|change| make(connection, freshness, vec![change])),
    }
}

fn commit<'a>(
    connection: &mut Connection,
    changes: impl Iterator<Item = &'a Change>,
) -> Result<Vec<Done>, RowError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = changes.map(|change| apply(&transaction, change)).collect::<Result<_, _>>()?;
    transaction.commit()?;
    Ok(done)
}

fn apply(connection: &Connection, change: &Change) -> Result<Done, RowError> {
    Ok(match change {
        Change::Write(id, record) => {
            rows::write(connection, id, record)?;
            Done::Rows(1)
        }
        Change::Remove(id) => Done::Rows(rows::remove(connection, id)?),
        Change::RemoveUser(user) => Done::Rows(rows::remove_user(connection, user)?),
        Change::Replace(changes) => {
            let made = changes.iter().map(|change| rows::replace(connection, change));
            Done::Each(made.collect::<Result<_, _>>()?)
        }
    })
}

fn forget(freshness: &Freshness, change: &Change) {
    let cache = freshness.cache();
    match change {
        Change::Write(id, _) | Change::Remove(id) => cache.forget(id.owner()),
        Change::RemoveUser(_) => cache.forget_all(),
        Change::Replace(changes) => {
            changes.iter().for_each(|change| cache.forget(change.id.owner()));
        }
    }
}
