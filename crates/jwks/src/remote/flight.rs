//! When to fetch: one fetch at a time, beside the requests, never too often.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use http::HeaderValue;

use super::endpoint::Endpoint;
use super::fetch::{FetchError, Fetched, Fetcher, Known, Place};
use super::status::{Counters, Freshness, KeysStatus};
use crate::clock::{Clock, age};
use crate::keys::{Generation, KeySet};
use crate::source::KeysUnavailable;
use crate::transport::Spawn;

pub(super) struct Inner {
    pub(super) fetcher: Fetcher,
    pub(super) pace: Pace,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) spawn: Arc<dyn Spawn>,
    pub(super) snapshot: ArcSwapOption<Snapshot>,
    pub(super) flight: Mutex<Flight>,
    pub(super) counters: Counters,
}

/// How often to ask, and how long to go without an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Between a fetch that succeeded and the next.
    pub(super) cool_down: Duration,
    /// How long keys stay in use after their lifetime.
    pub(super) max_stale: Duration,
    /// Between fetches that fail, at most.
    pub(super) most_patience: Duration,
}

/// Keys and how long they are good.
pub(super) struct Snapshot {
    keys: Arc<KeySet>,
    fetched: SystemTime,
    lifetime: Duration,
}

/// What is going on. Its lock is held for a few assignments, never while something is fetched.
#[derive(Default)]
pub(super) struct Flight {
    running: Option<Running>,
    place: Option<Place>,
    located: Option<SystemTime>,
    etag: Option<HeaderValue>,
    last: Option<Attempt>,
    failures: u32,
}

#[derive(Clone)]
struct Running {
    outcome: Shared<BoxFuture<'static, Outcome>>,
    started: SystemTime,
    number: u64,
}

struct Attempt {
    ended: SystemTime,
    outcome: Outcome,
}

type Outcome = Result<(), KeysUnavailable>;

/// The first wait after a failure. Each further one doubles it.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);

/// How long a discovered `jwks_uri` is used before it is looked up again.
const REDISCOVER: Duration = Duration::from_secs(60 * 60);

impl Inner {
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.fetcher.endpoint
    }

    /// The keys, if they may be used. Starts a refresh ahead of time when it is due.
    pub(super) fn current(self: &Arc<Self>) -> Option<Arc<KeySet>> {
        let snapshot = self.snapshot.load();
        let snapshot = snapshot.as_ref()?;
        let now = self.clock.now();
        let freshness = snapshot.freshness(now, self.pace.max_stale);
        if freshness != Freshness::Fresh {
            self.start_if_due(now);
        }
        (freshness != Freshness::Expired).then(|| Arc::clone(&snapshot.keys))
    }

    pub(super) async fn refresh(
        self: &Arc<Self>,
        seen: Option<Generation>,
    ) -> Result<Arc<KeySet>, KeysUnavailable> {
        let newer = self.current().filter(|keys| Some(keys.generation()) != seen);
        if let Some(keys) = newer {
            return Ok(keys);
        }
        match self.start(self.clock.now()) {
            Start::Running(outcome) => outcome.await?,
            Start::TooSoon(last) => last?,
        }
        self.current().ok_or_else(|| KeysUnavailable::new(FetchError::Panicked))
    }

    /// A refresh ahead of time. Whoever holds the lock is doing the same, so it is not waited for.
    fn start_if_due(self: &Arc<Self>, now: SystemTime) {
        if let Ok(flight) = self.flight.try_lock() {
            drop(self.take_off(flight, now));
        }
    }

    fn start(self: &Arc<Self>, now: SystemTime) -> Start {
        self.take_off(self.locked(), now)
    }

    fn take_off(self: &Arc<Self>, mut flight: MutexGuard<'_, Flight>, now: SystemTime) -> Start {
        if let Some(running) = flight.running.as_ref().filter(|it| self.is_alive(it, now)) {
            return Start::Running(running.outcome.clone());
        }
        if let Some(last) = flight.last.as_ref().filter(|it| self.is_recent(it, &flight, now)) {
            self.counters.held_back();
            tracing::debug!(
                issuer = self.endpoint().configured().as_str(),
                "asked for keys a moment ago"
            );
            return Start::TooSoon(last.outcome.clone());
        }
        let number = self.counters.started();
        let outcome = Arc::clone(self).run(flight.known(now), number).boxed().shared();
        flight.running = Some(Running { outcome: outcome.clone(), started: now, number });
        drop(flight);
        self.spawn.spawn(Box::pin(outcome.clone().map(drop)));
        Start::Running(outcome)
    }

    /// A fetch that takes far longer than its time limit allows is given up, whatever its transport does.
    fn is_alive(&self, running: &Running, now: SystemTime) -> bool {
        let patience = self.fetcher.timeout.saturating_mul(12);
        age(now, running.started).is_some_and(|age| age < patience)
    }

    fn is_recent(&self, last: &Attempt, flight: &Flight, now: SystemTime) -> bool {
        let pause = match last.outcome {
            Ok(()) => self.pace.cool_down,
            Err(_) => {
                let doubled = 1_u32 << flight.failures.saturating_sub(1).min(16);
                FIRST_PATIENCE.saturating_mul(doubled).min(self.pace.most_patience)
            }
        };
        age(now, last.ended).is_some_and(|age| age < pause)
    }

    async fn run(self: Arc<Self>, known: Known, number: u64) -> Outcome {
        let fetch = AssertUnwindSafe(self.fetcher.fetch(known)).catch_unwind();
        let result = fetch.await.unwrap_or(Err(FetchError::Panicked));
        let now = self.clock.now();
        let mut flight = self.locked();
        // One that was given up and ends after all has nothing to say any more.
        if flight.running.as_ref().is_none_or(|running| running.number != number) {
            return Ok(());
        }
        flight.running = None;
        let outcome = match result {
            Ok(fetched) => {
                self.land(&mut flight, fetched, now);
                Ok(())
            }
            Err(error) => Err(self.crash(&mut flight, error)),
        };
        flight.last = Some(Attempt { ended: now, outcome: outcome.clone() });
        outcome
    }

    fn land(&self, flight: &mut Flight, fetched: Fetched, now: SystemTime) {
        flight.failures = 0;
        let old = self.snapshot.load_full();
        let keys = match (fetched.keys, &old) {
            (Some(keys), old) => self.adopt(keys, old.as_deref()),
            (None, Some(old)) => {
                self.counters.not_modified();
                Arc::clone(&old.keys)
            }
            // A tag is only sent when there are keys, so this does not happen; and nothing is lost by it.
            (None, None) => return,
        };
        if fetched.located {
            flight.located = Some(now);
        }
        flight.place = Some(fetched.place);
        flight.etag = fetched.etag;
        let lifetime = fetched.lifetime;
        self.snapshot.store(Some(Arc::new(Snapshot { keys, fetched: now, lifetime })));
    }

    /// The same keys keep their generation, so that nothing that was verified with them is forgotten.
    fn adopt(&self, keys: Arc<KeySet>, old: Option<&Snapshot>) -> Arc<KeySet> {
        match old {
            Some(old) if old.keys.same_keys(&keys) => Arc::clone(&old.keys),
            _ => {
                self.counters.rotated();
                let (usable, skipped) = (keys.len(), keys.skipped().len());
                let issuer = self.endpoint().configured().as_str();
                tracing::info!(issuer, usable, skipped, "the issuer's keys are new");
                keys
            }
        }
    }

    fn crash(&self, flight: &mut Flight, error: FetchError) -> KeysUnavailable {
        flight.failures = flight.failures.saturating_add(1);
        // The issuer may have moved its keys, or never have had them where the metadata said.
        flight.place = None;
        flight.etag = None;
        self.counters.failed();
        let issuer = self.endpoint().configured().as_str();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let (failures, keys) = (flight.failures, self.freshness());
        tracing::warn!(issuer, failures, ?keys, %error, cause, "cannot fetch the issuer's keys");
        KeysUnavailable::new(error)
    }

    fn locked(&self) -> MutexGuard<'_, Flight> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn freshness(&self) -> Freshness {
        let (snapshot, now) = (self.snapshot.load(), self.clock.now());
        let freshness = |it: &Arc<Snapshot>| it.freshness(now, self.pace.max_stale);
        snapshot.as_ref().map_or(Freshness::Empty, freshness)
    }

    pub(super) fn status(&self) -> KeysStatus {
        let failures = self.locked().failures;
        let snapshot = self.snapshot.load();
        self.counters.status(self.freshness(), snapshot.as_ref().map(|it| &*it.keys), failures)
    }
}

enum Start {
    Running(Shared<BoxFuture<'static, Outcome>>),
    TooSoon(Outcome),
}

impl Snapshot {
    /// A clock that was set back to before the fetch says nothing about age: the keys are asked for again,
    /// and good until the answer is there.
    fn freshness(&self, now: SystemTime, max_stale: Duration) -> Freshness {
        match age(now, self.fetched) {
            Some(age) if age < self.lifetime / 4 * 3 => Freshness::Fresh,
            None => Freshness::Due,
            Some(age) if age < self.lifetime => Freshness::Due,
            Some(age) if age < self.lifetime.saturating_add(max_stale) => Freshness::Stale,
            Some(_) => Freshness::Expired,
        }
    }
}

impl Flight {
    fn known(&self, now: SystemTime) -> Known {
        let place = self.place.clone().filter(|_| {
            self.located.and_then(|then| age(now, then)).is_some_and(|age| age < REDISCOVER)
        });
        Known { place, etag: self.etag.clone() }
    }
}
