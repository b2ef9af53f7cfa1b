//! The rows of one owner.

use std::sync::Arc;

use crate::envelope::Envelope;
use crate::name::SecretName;
use crate::vault::Record;

/// All that is stored for one owner, as a store reads it at once. Cloning costs a reference count.
///
/// ```
/// # use bonafide_vault::{Envelope, Record, SecretName, Shelf};
/// let names: [SecretName; 2] = ["GITHUB_TOKEN", "NOT_SET"].map(|name| name.parse().unwrap());
/// let record = Record::new(Envelope::from_bytes([7; 40]), 1_700_000_000);
/// let shelf = Shelf::from_iter([(names[0].clone(), record.clone())]);
/// assert_eq!(shelf.read(&names), [Some(record), None]);
/// ```
#[derive(Debug, Clone)]
pub struct Shelf {
    rows: Arc<[(SecretName, Record)]>,
}

impl Shelf {
    /// For each of `names`, in order, what is stored: an answer to [`Vault::read`](crate::Vault::read).
    #[must_use]
    pub fn read(&self, names: &[SecretName]) -> Vec<Option<Record>> {
        // Few rows: looking at all of them takes less than a search.
        let find = |name| self.rows.iter().find(|(have, _)| have == name);
        names.iter().map(|name| find(name).map(|(_, record)| record.clone())).collect()
    }

    /// Everything, sorted by name: an answer to [`Vault::list`](crate::Vault::list).
    #[must_use]
    pub fn list(&self) -> Vec<(SecretName, Record)> {
        self.rows.to_vec()
    }

    /// The same in few pieces of memory, to be kept.
    pub(crate) fn packed(&self) -> Self {
        // One row is in as few pieces already.
        if self.rows.len() < 2 {
            return self.clone();
        }
        let envelopes = Envelope::pack(self.rows.iter().map(|(_, record)| record.envelope()));
        let rows = self.rows.iter().cloned().zip(envelopes);
        Self { rows: rows.map(|((name, row), packed)| (name, row.with_envelope(packed))).collect() }
    }

    /// How many bytes the envelopes have.
    pub(crate) fn envelopes_len(&self) -> usize {
        self.rows.iter().map(|(_, record)| record.envelope().as_bytes().len()).sum()
    }
}

/// The rows may come in any order.
impl FromIterator<(SecretName, Record)> for Shelf {
    fn from_iter<T: IntoIterator<Item = (SecretName, Record)>>(rows: T) -> Self {
        let mut rows: Vec<_> = rows.into_iter().collect();
        rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self { rows: rows.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, byte: u8) -> (SecretName, Record) {
        let record = Record::new(Envelope::from_bytes([byte; 40]), u64::from(byte));
        (name.parse().unwrap(), record.with_expiry(Some(9)).with_refusal(Some(8)))
    }

    #[test]
    fn answers_in_the_order_of_the_question_and_lists_by_name() {
        let shelf = Shelf::from_iter([row("B", 2), row("A", 1), row("C", 3)]);
        let names = ["C", "X", "A", "C"].map(|name| name.parse().unwrap());
        let record = |row: (SecretName, Record)| Some(row.1);
        let expected = [record(row("C", 3)), None, record(row("A", 1)), record(row("C", 3))];
        for shelf in [&shelf, &shelf.packed()] {
            assert_eq!(shelf.read(&names), expected);
            assert_eq!(shelf.list(), [row("A", 1), row("B", 2), row("C", 3)]);
            assert_eq!(shelf.envelopes_len(), 120);
        }
    }

    #[test]
    fn one_without_rows_has_nothing() {
        let shelf = Shelf::from_iter([]).packed();
        assert_eq!(shelf.read(&["A".parse().unwrap()]), [None]);
        assert_eq!((shelf.list().len(), shelf.envelopes_len()), (0, 0));
    }
}
