//! Between events and those who write them down.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::AuditEvent;

/// How many events may wait for a sink unless told otherwise.
const QUEUE: usize = 8192;

/// How many events a sink gets at once at most.
const BATCH: usize = 256;

/// How often [`Audit::flush`] looks whether all is written.
const POLL: Duration = Duration::from_millis(2);

/// Writes events somewhere. Has a thread of its own, and may take its time.
pub trait AuditSink: fmt::Debug + Send + 'static {
    /// Writes these events, oldest first.
    ///
    /// # Errors
    ///
    /// An [`AuditError`] if they could not all be written. They are counted as lost and not tried again.
    fn write(&mut self, events: &[Arc<AuditEvent>]) -> Result<(), AuditError>;
}

/// Why events could not be written down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// Writing failed.
    #[error("{doing} failed")]
    Io {
        /// What failed, for people.
        doing: &'static str,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Another kind of sink failed.
    #[error("the audit sink failed")]
    Sink(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Takes events and hands them to the sinks, without ever waiting for one.
///
/// Each sink has a queue and a thread of its own, so that a slow one delays neither events nor the other
/// sinks. What does not fit into a queue is lost to that sink, and counted. Cloning costs a reference count;
/// when the last clone is dropped, the sinks write what they have, and end. Call [`flush`](Self::flush) first
/// to wait for that.
#[derive(Clone)]
pub struct Audit {
    queues: Arc<[Queue]>,
}

struct Queue {
    events: SyncSender<Arc<AuditEvent>>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    taken: AtomicU64,
    done: AtomicU64,
    lost: AtomicU64,
}

impl Audit {
    /// A builder without sinks.
    pub fn builder() -> AuditBuilder {
        AuditBuilder { sinks: Vec::new(), queue: QUEUE }
    }

    /// Whether what is recorded goes anywhere.
    #[must_use]
    pub fn has_sinks(&self) -> bool {
        !self.queues.is_empty()
    }

    /// Writes an event down, soon. Never waits.
    pub fn record(&self, event: AuditEvent) {
        let event = Arc::new(event);
        for queue in &*self.queues {
            // Counted before it is sent, or the sink might be done with it first.
            queue.counts.taken.fetch_add(1, Ordering::Relaxed);
            if queue.events.try_send(Arc::clone(&event)).is_err() {
                queue.counts.lost.fetch_add(1, Ordering::Relaxed);
                queue.counts.done.fetch_add(1, Ordering::Release);
            }
        }
    }

    /// How many events some sink did not write down, because it was too slow or failed.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.queues.iter().map(|queue| queue.counts.lost.load(Ordering::Relaxed)).sum()
    }

    /// Waits until all that was recorded before is written or lost, but not longer than `limit`. Says
    /// whether it is. Blocks the thread: meant for the end of a program.
    #[must_use]
    pub fn flush(&self, limit: Duration) -> bool {
        let start = Instant::now();
        let written = |queue: &Queue| {
            let taken = queue.counts.taken.load(Ordering::Relaxed);
            queue.counts.done.load(Ordering::Acquire) >= taken
        };
        while !self.queues.iter().all(written) {
            if start.elapsed() >= limit {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }
}

/// Makes an [`Audit`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `start` is called"]
pub struct AuditBuilder {
    sinks: Vec<Box<dyn AuditSink>>,
    queue: usize,
}

impl AuditBuilder {
    /// Adds a sink.
    pub fn with_sink(mut self, sink: impl AuditSink) -> Self {
        self.sinks.push(Box::new(sink));
        self
    }

    /// How many events may wait for each sink. 8192 by default, at least one.
    pub fn with_queue(self, queue: usize) -> Self {
        Self { queue: queue.max(1), ..self }
    }

    /// Starts a thread for each sink.
    ///
    /// # Errors
    ///
    /// An [`AuditError`] if the system gives no thread.
    pub fn start(self) -> Result<Audit, AuditError> {
        let queue = self.queue;
        let queues = self.sinks.into_iter().map(|sink| {
            let (sender, receiver) = sync_channel(queue);
            let counts = Arc::new(Counts::default());
            let theirs = Arc::clone(&counts);
            let thread = thread::Builder::new().name("bonafide-audit".to_owned());
            thread
                .spawn(move || drain(sink, &receiver, &theirs))
                .map_err(|source| AuditError::Io { doing: "starting a thread", source })?;
            Ok(Queue { events: sender, counts })
        });
        Ok(Audit { queues: queues.collect::<Result<_, AuditError>>()? })
    }
}

fn drain(mut sink: Box<dyn AuditSink>, events: &Receiver<Arc<AuditEvent>>, counts: &Counts) {
    let mut batch = Vec::with_capacity(BATCH);
    while let Ok(first) = events.recv() {
        batch.push(first);
        batch.extend(events.try_iter().take(BATCH - 1));
        let written = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        if let Err(error) = sink.write(&batch) {
            counts.lost.fetch_add(written, Ordering::Relaxed);
            tracing::error!(%error, source = error.source_text(), events = written, "audit events lost");
        }
        counts.done.fetch_add(written, Ordering::Release);
        batch.clear();
    }
}

impl AuditError {
    fn source_text(&self) -> String {
        std::error::Error::source(self).map(ToString::to_string).unwrap_or_default()
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit")
            .field("sinks", &self.queues.len())
            .field("lost", &self.lost())
            .finish()
    }
}
