//! From the rows that are there to those that are wanted.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Mapping, MappingRow, Replaced};

/// What has to be done so that a table has the wanted rows and no others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MappingChange {
    /// What to add.
    pub add: Vec<Mapping>,
    /// The numbers of the rows to remove.
    pub remove: Vec<i64>,
    /// Rows that stay and get another note.
    pub notes: Vec<(i64, Option<String>)>,
    /// How many rows stay.
    pub kept: usize,
}

impl MappingChange {
    /// What leads from `rows` to `wanted`. Of those in `wanted` that say the same, the first counts.
    #[must_use]
    pub fn between(rows: &[MappingRow], wanted: &[Mapping]) -> Self {
        let there: HashMap<_, _> = rows.iter().map(|row| (row.mapping.key(), row)).collect();
        let (mut add, mut notes) = (Vec::new(), Vec::new());
        let (mut seen, mut kept) = (HashSet::new(), BTreeSet::new());
        for mapping in wanted.iter().filter(|mapping| seen.insert(mapping.key())) {
            let Some(row) = there.get(&mapping.key()) else {
                add.push(mapping.clone());
                continue;
            };
            kept.insert(row.id);
            if row.mapping.note != mapping.note {
                notes.push((row.id, mapping.note.clone()));
            }
        }
        let gone = rows.iter().map(|row| row.id).filter(|id| !kept.contains(id));
        Self { add, remove: gone.collect(), notes, kept: kept.len() }
    }

    /// The numbers of it.
    #[must_use]
    pub fn summary(&self) -> Replaced {
        Replaced { added: self.add.len(), removed: self.remove.len(), kept: self.kept }
    }
}
