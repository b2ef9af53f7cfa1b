//! Bounded memory for what was used recently.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many entries share a lock and compete for room.
pub(crate) const WAYS: usize = 8;

/// Entries by their hash. A new one takes the place of the one in its set that was used least recently.
///
/// With many entries, a lookup costs as much as the memory that it touches. So a set is one piece: its lock, the hashes
/// side by side, and the entries, of which only the one with the right hash is looked at.
pub(crate) struct Recent<T> {
    sets: Box<[Mutex<Set<T>>]>,
}

pub(crate) struct Set<T> {
    /// For those who keep entries: see `ReadCache`.
    pub(crate) epoch: u64,
    /// What was missed lately, the last one first.
    missed: [u64; WAYS],
    hashes: [u64; WAYS],
    /// The places of the entries, the one used last at the end.
    order: [u8; WAYS],
    entries: [Option<T>; WAYS],
}

impl<T> Recent<T> {
    /// Room for about `entries`; for none if it is 0.
    pub(crate) fn new(entries: usize) -> Self {
        Self { sets: (0..entries.div_ceil(WAYS)).map(|_| Mutex::new(Set::new())).collect() }
    }

    /// How many entries there is room for.
    pub(crate) fn room(&self) -> usize {
        self.sets.len().saturating_mul(WAYS)
    }

    /// Where an entry with this hash is, if anywhere. `None` if there is no room.
    pub(crate) fn set(&self, hash: u64) -> Option<MutexGuard<'_, Set<T>>> {
        let sets = u64::try_from(self.sets.len()).ok().filter(|&sets| sets > 0)?;
        let at = usize::try_from(hash % sets).ok()?;
        // Nothing panics while it holds the lock.
        Some(self.sets.get(at)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> Set<T> {
    fn new() -> Self {
        Self {
            epoch: 0,
            missed: [0; WAYS],
            hashes: [0; WAYS],
            order: std::array::from_fn(|place| place.to_le_bytes()[0]),
            entries: std::array::from_fn(|_| None),
        }
    }

    /// The entry that `is` the one, which is the one used last from now on.
    pub(crate) fn find(&mut self, hash: u64, is: impl Fn(&T) -> bool) -> Option<&T> {
        let place = self.place(hash, is)?;
        self.used(place);
        self.entries.get(place)?.as_ref()
    }

    /// Takes `entry` in, in place of the one that `is` the same.
    pub(crate) fn insert(&mut self, hash: u64, is: impl Fn(&T) -> bool, entry: T) {
        let oldest = self.order.first().copied().map(usize::from);
        let Some(place) = self.place(hash, is).or(oldest) else { return };
        if let (Some(old), Some(new)) = (self.hashes.get_mut(place), self.entries.get_mut(place)) {
            (*old, *new) = (hash, Some(entry));
        }
        self.used(place);
    }

    /// Notes that there was no entry with this hash, and says whether that was noted before: not long ago, as a set
    /// remembers as many misses as it has entries.
    pub(crate) fn missed(&mut self, hash: u64) -> bool {
        if self.missed.contains(&hash) {
            return true;
        }
        self.missed.rotate_right(1);
        if let Some(last) = self.missed.first_mut() {
            *last = hash;
        }
        false
    }

    /// Drops the entry that `is` the one.
    pub(crate) fn remove(&mut self, hash: u64, is: impl Fn(&T) -> bool) {
        if let Some(entry) = self.place(hash, is).and_then(|place| self.entries.get_mut(place)) {
            *entry = None;
        }
    }

    fn place(&self, hash: u64, is: impl Fn(&T) -> bool) -> Option<usize> {
        let mut places = self.hashes.iter().zip(&self.entries);
        places.position(|(&have, entry)| have == hash && entry.as_ref().is_some_and(&is))
    }

    fn used(&mut self, place: usize) {
        let at = self.order.iter().position(|&have| usize::from(have) == place);
        if let Some(later) = at.and_then(|at| self.order.get_mut(at..)) {
            later.rotate_left(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(recent: &Recent<u64>, hash: u64, entry: u64) {
        recent.set(hash).unwrap().insert(hash, |&have| have == entry, entry);
    }

    fn has(recent: &Recent<u64>, hash: u64, entry: u64) -> bool {
        recent.set(hash).unwrap().find(hash, |&have| have == entry).is_some()
    }

    #[test]
    fn the_one_used_least_recently_makes_room() {
        let recent = Recent::new(WAYS);
        // The same, the one used last at the end.
        let mut expected = Vec::new();
        for step in 0..10_000_u64 {
            let entry = step.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60;
            match expected.iter().position(|&have| have == entry) {
                Some(at) => {
                    assert!(has(&recent, entry, entry), "{step}");
                    expected.remove(at);
                }
                None => {
                    assert!(!has(&recent, entry, entry), "{step}");
                    insert(&recent, entry, entry);
                }
            }
            expected.push(entry);
            expected.drain(..expected.len().saturating_sub(WAYS));
        }
    }

    #[test]
    fn the_same_hash_is_not_the_same_entry() {
        let recent = Recent::new(1);
        insert(&recent, 7, 1);
        insert(&recent, 7, 2);
        assert!(has(&recent, 7, 1) && has(&recent, 7, 2) && !has(&recent, 7, 3));
        recent.set(7).unwrap().remove(7, |&have| have == 1);
        assert!(!has(&recent, 7, 1) && has(&recent, 7, 2));
        // Nothing is there that was never put in, whatever an empty place says of its hash.
        assert!(!has(&recent, 0, 0));
    }

    #[test]
    fn the_same_entry_is_there_once() {
        let recent = Recent::new(WAYS);
        (0..WAYS as u64).for_each(|n| insert(&recent, n, n));
        (0..100).for_each(|_| insert(&recent, 3, 3));
        assert!((0..WAYS as u64).all(|n| has(&recent, n, n)));
    }

    #[test]
    fn remembers_the_last_misses() {
        let recent = Recent::<u64>::new(WAYS);
        let mut set = recent.set(7).unwrap();
        let hashes = 1..=WAYS as u64;
        assert!(hashes.clone().all(|hash| !set.missed(hash)));
        assert!(hashes.clone().all(|hash| set.missed(hash)));
        assert!(!set.missed(100) && !set.missed(1) && set.missed(100) && set.missed(3));
    }

    #[test]
    fn has_no_room_when_told_so() {
        assert!(Recent::<u64>::new(0).set(1).is_none());
        assert_eq!((Recent::<u64>::new(0).room(), Recent::<u64>::new(9).room()), (0, 2 * WAYS));
    }
}
