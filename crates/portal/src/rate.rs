//! How often one user may change something.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bonafide_claims::UserId;

/// How many changes at once.
const BURST: u32 = 30;

/// How long until one more.
const PAUSE: Duration = Duration::from_secs(2);

/// How many users are remembered. Beyond that, those who are quiet are forgotten first.
const USERS: usize = 10_000;

/// A bucket for each user, in this process. A guess at a colleague's pattern, or a script that runs wild, is slowed
/// down; it is no quota.
#[derive(Debug, Default)]
pub(crate) struct WriteRate {
    full_again: Mutex<HashMap<UserId, Instant>>,
}

impl WriteRate {
    /// Counts one change.
    ///
    /// # Errors
    ///
    /// How long to wait, if there were too many.
    pub(crate) fn count(&self, user: &UserId) -> Result<(), Duration> {
        self.count_at(user, Instant::now())
    }

    /// The bucket is kept as the time at which it will be full again.
    fn count_at(&self, user: &UserId, now: Instant) -> Result<(), Duration> {
        let mut users = self.full_again.lock().unwrap_or_else(PoisonError::into_inner);
        if users.len() >= USERS && !users.contains_key(user) {
            users.retain(|_, full| *full > now);
        }
        let full = users.get(user).copied().unwrap_or(now).max(now) + PAUSE;
        if let Some(wait) = full.checked_duration_since(now + PAUSE * BURST)
            && !wait.is_zero()
        {
            return Err(wait);
        }
        // Who can't be counted has to wait: ten thousand users who all change something are no users.
        if users.len() >= USERS && !users.contains_key(user) {
            return Err(PAUSE);
        }
        users.insert(user.clone(), full);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(subject: &str) -> UserId {
        UserId::new("https://idp.example".parse().unwrap(), None, subject.parse().unwrap())
    }

    #[test]
    fn a_burst_passes_then_one_for_each_pause_and_others_are_not_concerned() {
        let rate = WriteRate::default();
        let now = Instant::now();
        for _ in 0..BURST {
            assert_eq!(rate.count_at(&user("ada"), now), Ok(()));
        }
        assert_eq!(rate.count_at(&user("ada"), now), Err(PAUSE));
        assert_eq!(rate.count_at(&user("bob"), now), Ok(()));
        assert_eq!(rate.count_at(&user("ada"), now + PAUSE), Ok(()));
        assert_eq!(rate.count_at(&user("ada"), now + PAUSE), Err(PAUSE));
    }

    #[test]
    fn quiet_users_are_forgotten() {
        let rate = WriteRate::default();
        let now = Instant::now();
        for number in 0..USERS {
            assert_eq!(rate.count_at(&user(&number.to_string()), now), Ok(()));
        }
        assert_eq!(rate.count_at(&user("one more"), now), Err(PAUSE));
        assert_eq!(rate.count_at(&user("7"), now), Ok(()));
        assert_eq!(rate.count_at(&user("one more"), now + PAUSE * 2), Ok(()));
        assert_eq!(rate.full_again.lock().unwrap().len(), 1);
    }
}
