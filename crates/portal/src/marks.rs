//! What must not be good a second time, for as long as it could be.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Ids that are remembered until a time, in this process. When there is no room, those are forgotten first that would
/// have been forgotten next.
#[derive(Debug)]
pub(crate) struct Marks {
    room: usize,
    /// By the second, counted from 1970, from which on they mean nothing any more.
    ids: Mutex<BTreeSet<(u64, [u8; 16])>>,
}

impl Marks {
    pub(crate) fn new(room: usize) -> Self {
        Self { room, ids: Mutex::default() }
    }

    /// Remembers an id. Says whether it was new: of those who ask at once, one is told so.
    pub(crate) fn set(&self, id: [u8; 16], until: u64, now: u64) -> bool {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        while ids.first().is_some_and(|(until, _)| *until <= now) {
            ids.pop_first();
        }
        if ids.len() >= self.room && !ids.contains(&(until, id)) {
            ids.pop_first();
        }
        ids.insert((until, id))
    }

    /// Whether an id is remembered.
    pub(crate) fn has(&self, id: [u8; 16], until: u64) -> bool {
        let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.contains(&(until, id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_new_once_and_forgotten_when_its_time_has_come() {
        let marks = Marks::new(10);
        assert!(!marks.has([1; 16], 100));
        assert!(marks.set([1; 16], 100, 50));
        assert!(!marks.set([1; 16], 100, 99) && marks.has([1; 16], 100));
        assert!(!marks.has([2; 16], 100));
        assert!(marks.set([2; 16], 200, 100));
        assert!(!marks.has([1; 16], 100));
    }

    #[test]
    fn there_are_never_more_than_there_is_room_for() {
        let marks = Marks::new(3);
        for number in 1..=5 {
            assert!(marks.set([number; 16], 100 + u64::from(number), 0));
        }
        assert!(!marks.set([5; 16], 105, 0));
        let kept: Vec<bool> = (1..=5).map(|it| marks.has([it; 16], 100 + u64::from(it))).collect();
        assert_eq!(kept, [false, false, true, true, true]);
    }
}
