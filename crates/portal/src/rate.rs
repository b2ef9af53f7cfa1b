//! How often something may happen.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bonafide_claims::UserId;

/// How many keys are remembered. Beyond that, those that are quiet are forgotten first.
const KEYS: usize = 10_000;

/// A bucket for each key, in this process. A guess at a colleague's pattern, or a script that runs wild, is slowed
/// down; it is no quota.
#[derive(Debug)]
pub(crate) struct Rate<K> {
    /// How many at once.
    burst: u32,
    /// How long until one more.
    pause: Duration,
    full_again: Mutex<HashMap<K, Instant>>,
}

impl Rate<UserId> {
    /// How often one user may change something: 30 times at once, and once in 2 seconds.
    pub(crate) fn of_changes() -> Self {
        Self::new(30, Duration::from_secs(2))
    }
}

impl<K: Eq + Hash + Clone> Rate<K> {
    pub(crate) fn new(burst: u32, pause: Duration) -> Self {
        Self { burst, pause, full_again: Mutex::default() }
    }

    /// Counts one.
    ///
    /// # Errors
    ///
    /// How long to wait, if there were too many.
    pub(crate) fn count(&self, key: &K) -> Result<(), Duration> {
        self.count_at(key, Instant::now())
    }

    /// The bucket is kept as the time at which it will be full again.
    fn count_at(&self, key: &K, now: Instant) -> Result<(), Duration> {
        let mut keys = self.full_again.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= KEYS && !keys.contains_key(key) {
            keys.retain(|_, full| *full > now);
        }
        let full = keys.get(key).copied().unwrap_or(now).max(now) + self.pause;
        if let Some(wait) = full.checked_duration_since(now + self.pause * self.burst)
            && !wait.is_zero()
        {
            return Err(wait);
        }
        // Who can't be counted has to wait: ten thousand users who all change something are no users.
        if keys.len() >= KEYS && !keys.contains_key(key) {
            return Err(self.pause);
        }
        keys.insert(key.clone(), full);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BURST: u32 = 30;
    const PAUSE: Duration = Duration::from_secs(2);

    #[test]
    fn a_burst_passes_then_one_for_each_pause_and_others_are_not_concerned() {
        let rate = Rate::new(BURST, PAUSE);
        let now = Instant::now();
        for _ in 0..BURST {
            assert_eq!(rate.count_at(&"ada", now), Ok(()));
        }
        assert_eq!(rate.count_at(&"ada", now), Err(PAUSE));
        assert_eq!(rate.count_at(&"bob", now), Ok(()));
        assert_eq!(rate.count_at(&"ada", now + PAUSE), Ok(()));
        assert_eq!(rate.count_at(&"ada", now + PAUSE), Err(PAUSE));
    }

    #[test]
    fn quiet_users_are_forgotten() {
        let rate = Rate::new(BURST, PAUSE);
        let now = Instant::now();
        for number in 0..KEYS {
            assert_eq!(rate.count_at(&number, now), Ok(()));
        }
        assert_eq!(rate.count_at(&KEYS, now), Err(PAUSE));
        assert_eq!(rate.count_at(&7, now), Ok(()));
        assert_eq!(rate.count_at(&KEYS, now + PAUSE * 2), Ok(()));
        assert_eq!(rate.full_again.lock().unwrap().len(), 1);
    }
}
