//! Tokens that were refused a moment ago.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::verify::error::VerifyError;

/// How many refusals are kept. A token has at most 16 KB, so they take 16 MB at most.
pub(super) const MOST: usize = 1024;

/// Refusals, by the whole token, for a fixed time. The oldest makes room.
pub(super) struct Refusals {
    /// In seconds.
    lifetime: u64,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    // With random keys, since whoever sends tokens chooses what is in here.
    by_token: HashMap<Arc<str>, (VerifyError, u64)>,
    oldest_first: VecDeque<Arc<str>>,
}

impl Refusals {
    pub(super) fn new(lifetime: u64) -> Self {
        Self { lifetime, kept: Mutex::default() }
    }

    pub(super) fn find(&self, token: &str, now: u64) -> Option<VerifyError> {
        let kept = self.locked();
        let (refusal, since) = kept.by_token.get(token)?;
        // A clock that was set back keeps nothing.
        let age = now.checked_sub(*since)?;
        (age < self.lifetime).then(|| refusal.clone())
    }

    pub(super) fn insert(&self, token: &str, refusal: VerifyError, now: u64) {
        if self.lifetime == 0 {
            return;
        }
        let mut kept = self.locked();
        if let Some(known) = kept.by_token.get_mut(token) {
            *known = (refusal, now);
            return;
        }
        if kept.by_token.len() >= MOST
            && let Some(oldest) = kept.oldest_first.pop_front()
        {
            kept.by_token.remove(&oldest);
        }
        let token: Arc<str> = token.into();
        kept.oldest_first.push_back(Arc::clone(&token));
        kept.by_token.insert(token, (refusal, now));
    }

    fn locked(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_kept(refusals: &Refusals, token: &str, now: u64) -> bool {
        refusals.find(token, now).is_some()
    }

    #[test]
    fn the_oldest_makes_room() {
        let refusals = Refusals::new(10);
        for n in 0..3 * MOST {
            refusals.insert(&n.to_string(), VerifyError::Inactive, 1);
            assert!(is_kept(&refusals, &n.to_string(), 1));
        }
        let kept = refusals.locked();
        assert_eq!((kept.by_token.len(), kept.oldest_first.len()), (MOST, MOST));
        drop(kept);
        let first = (2 * MOST).to_string();
        assert!(is_kept(&refusals, &first, 1));
        assert!(!is_kept(&refusals, &(2 * MOST - 1).to_string(), 1));
        refusals.insert(&first, VerifyError::Inactive, 5);
        assert_eq!(
            refusals.locked().oldest_first.len(),
            MOST,
            "the same token takes no other place"
        );
    }

    #[test]
    fn a_refusal_ends_with_its_lifetime_and_with_a_clock_set_back() {
        let refusals = Refusals::new(10);
        refusals.insert("token", VerifyError::Inactive, 100);
        for (now, kept) in [(100, true), (109, true), (110, false), (99, false)] {
            assert_eq!(is_kept(&refusals, "token", now), kept, "{now}");
        }
        assert!(!is_kept(&refusals, "token2", 100));
        let off = Refusals::new(0);
        off.insert("token", VerifyError::Inactive, 100);
        assert!(!is_kept(&off, "token", 100));
    }
}
