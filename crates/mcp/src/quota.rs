//! How much one user may ask of one tenant.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bonafide_claims::UserId;
use bonafide_policy::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many requests a user may send to a tenant, and how many may be open at once. Default: any number.
///
/// A request counts from when its user is known and its tenant exists: before its body is read, and though it may be
/// refused. Each gateway counts by itself: with several, a user may get as many times more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Quotas {
    /// Requests per minute, in the long run.
    pub per_minute: Option<NonZeroU32>,
    /// Requests that may come at once before the rate counts. Without one: as many as there are in ten seconds.
    pub burst: Option<NonZeroU32>,
    /// Requests that may be open at once. A stream is open until it ends.
    pub open: Option<NonZeroU32>,
}

impl Quotas {
    /// Sets [`per_minute`](Self::per_minute).
    #[must_use]
    pub fn with_per_minute(mut self, requests: NonZeroU32) -> Self {
        self.per_minute = Some(requests);
        self
    }

    /// Sets [`burst`](Self::burst).
    #[must_use]
    pub fn with_burst(mut self, requests: NonZeroU32) -> Self {
        self.burst = Some(requests);
        self
    }

    /// Sets [`open`](Self::open).
    #[must_use]
    pub fn with_open(mut self, requests: NonZeroU32) -> Self {
        self.open = Some(requests);
        self
    }

    /// How long one request counts, and how much may have been counted when another comes.
    fn rate(&self) -> Option<(Duration, Duration)> {
        let per_minute = self.per_minute?;
        let interval = Duration::from_secs(60) / per_minute.get();
        let burst = self.burst.map_or(per_minute.get() / 6, NonZeroU32::get).max(1);
        Some((interval, interval * (burst - 1)))
    }
}

/// Counts requests by user and tenant.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    quotas: Quotas,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    users: HashMap<(UserId, TenantId), Count>,
    /// How many there may be before those that say nothing any more are dropped.
    sweep_at: usize,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    open: u32,
    /// When all that was asked so far would have been asked at the allowed rate.
    paid: Instant,
}

/// A request that is open. Dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct Place {
    meter: Meter,
    key: (UserId, TenantId),
}

/// How many requests may wait for a credential at once. Each asks the vault again and again, and one state is good
/// for many.
#[derive(Debug)]
pub(crate) struct Seats {
    of_user: Meter,
    all: Arc<Semaphore>,
}

/// A request that waits. Dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct Seat {
    _of_user: Place,
    _of_all: OwnedSemaphorePermit,
}

impl Seats {
    /// Of one user at one tenant.
    const OF_USER: Option<NonZeroU32> = NonZeroU32::new(4);
    /// Of all users together.
    const ALL: usize = 256;

    pub(crate) fn new() -> Self {
        let quotas = Quotas { open: Self::OF_USER, ..Quotas::default() };
        Self { of_user: Meter::new(quotas), all: Arc::new(Semaphore::new(Self::ALL)) }
    }

    /// `None` if there is none left.
    pub(crate) fn take(&self, user: &UserId, tenant: &TenantId) -> Option<Seat> {
        let of_all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        let of_user = self.of_user.enter(user, tenant, Instant::now()).ok().flatten()?;
        Some(Seat { _of_user: of_user, _of_all: of_all })
    }
}

impl Meter {
    pub(crate) fn new(quotas: Quotas) -> Self {
        Self { quotas, counts: Arc::default() }
    }

    /// A place for one more request of this user. `None` where nothing is counted.
    ///
    /// # Errors
    ///
    /// How long to wait.
    pub(crate) fn enter(
        &self,
        user: &UserId,
        tenant: &TenantId,
        now: Instant,
    ) -> Result<Option<Place>, Duration> {
        let rate = self.quotas.rate();
        if rate.is_none() && self.quotas.open.is_none() {
            return Ok(None);
        }
        let key = (user.clone(), tenant.clone());
        let mut counts = self.lock();
        counts.sweep(now);
        let count = counts.users.entry(key.clone()).or_insert(Count { open: 0, paid: now });
        if self.quotas.open.is_some_and(|open| count.open >= open.get()) {
            return Err(Duration::from_secs(1));
        }
        if let Some((interval, ahead)) = rate {
            let debt = count.paid.saturating_duration_since(now);
            if debt > ahead {
                return Err(debt - ahead);
            }
            count.paid = count.paid.max(now) + interval;
        }
        count.open += 1;
        Ok(Some(Place { meter: self.clone(), key }))
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// Forgets who has nothing open and nothing to pay, each time that as many again have come.
    fn sweep(&mut self, now: Instant) {
        if self.users.len() >= self.sweep_at.max(1024) {
            self.users.retain(|_, count| count.open > 0 || count.paid > now);
            self.sweep_at = self.users.len() * 2;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(count) = self.meter.lock().users.get_mut(&self.key) {
            count.open = count.open.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(subject: &str) -> UserId {
        UserId::new("https://idp.example".parse().unwrap(), None, subject.parse().unwrap())
    }

    fn tenant(id: &str) -> TenantId {
        id.parse().unwrap()
    }

    #[test]
    fn seats_are_few_for_one_user_and_bounded_for_all() {
        let seats = Seats::new();
        let take = |name: &str| seats.take(&user(name), &tenant("t"));
        let mut taken: Vec<Seat> = (0..4).map(|_| take("alice").unwrap()).collect();
        assert!(take("alice").is_none());
        assert!(seats.take(&user("alice"), &tenant("u")).is_some());
        taken.pop();
        taken.push(take("alice").unwrap());
        for number in taken.len()..Seats::ALL {
            taken.push(take(&format!("user-{number}")).unwrap());
        }
        assert!(take("bob").is_none());
        taken.pop();
        assert!(take("bob").is_some());
    }

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    #[test]
    fn a_rate_is_for_one_user_at_one_tenant() {
        let quotas = Quotas::default().with_per_minute(number(60)).with_burst(number(3));
        let (meter, start) = (Meter::new(quotas), Instant::now());
        let enter = |name: &str, id: &str, after| {
            let now = start + Duration::from_millis(after);
            meter.enter(&user(name), &tenant(id), now).map(|place| place.is_some())
        };
        for _ in 0..3 {
            assert_eq!(enter("alice", "t", 0), Ok(true));
        }
        assert_eq!(enter("alice", "t", 0), Err(Duration::from_secs(1)));
        assert_eq!(enter("bob", "t", 0), Ok(true));
        assert_eq!(enter("alice", "u", 0), Ok(true));
        assert_eq!(enter("alice", "t", 400), Err(Duration::from_millis(600)));
        assert_eq!(enter("alice", "t", 1000), Ok(true));
        assert_eq!(enter("alice", "t", 1000), Err(Duration::from_secs(1)));
        // A pause gives the burst back, and no more.
        for _ in 0..3 {
            assert_eq!(enter("alice", "t", 600_000), Ok(true));
        }
        assert!(enter("alice", "t", 600_000).is_err());
    }

    #[test]
    fn a_place_is_free_again_when_its_request_ends() {
        let meter = Meter::new(Quotas::default().with_open(number(2)));
        let enter = || meter.enter(&user("alice"), &tenant("t"), Instant::now());
        let (one, _other) = (enter().unwrap(), enter().unwrap());
        assert!(enter().is_err());
        drop(one);
        assert!(enter().is_ok());
    }

    #[test]
    fn without_quotas_nothing_is_counted() {
        let meter = Meter::new(Quotas::default());
        assert!(meter.enter(&user("alice"), &tenant("t"), Instant::now()).unwrap().is_none());
        assert!(meter.lock().users.is_empty());
    }

    #[test]
    fn who_asks_no_more_is_forgotten() {
        let meter = Meter::new(Quotas::default().with_per_minute(number(60)));
        let start = Instant::now();
        for number in 0..5000 {
            let now = start + Duration::from_secs(number);
            let _ = meter.enter(&user(&number.to_string()), &tenant("t"), now);
        }
        assert!(meter.lock().users.len() <= 1024);
    }
}
