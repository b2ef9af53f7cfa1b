//! Mappings in memory.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::{Added, Mapping, MappingChange, MappingRow, MappingStore, Replaced};
use crate::rule::Rule;
use crate::store::{PolicyStore, StoreError};

/// A `group_tenant_mapping` that ends with the program.
pub struct MemoryMapping {
    table: Mutex<Table>,
    /// How often the table changed, and one more: at first it differs from what was loaded, which is nothing.
    version: watch::Sender<u64>,
    loaded: AtomicU64,
}

#[derive(Default)]
struct Table {
    rows: Vec<MappingRow>,
    last: i64,
}

impl MemoryMapping {
    /// A table without rows.
    #[must_use]
    pub fn new() -> Self {
        let version = watch::Sender::new(1);
        Self { table: Mutex::default(), version, loaded: AtomicU64::new(0) }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // No change ends half-way: each is checked before it begins.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        let mut table = self.table();
        let done = change(&mut table);
        self.version.send_modify(|version| *version = version.wrapping_add(1));
        done
    }
}

impl Table {
    fn add(&mut self, mapping: Mapping) -> Added {
        let there = self.rows.iter().find(|row| row.mapping.says_same_as(&mapping));
        if let Some(row) = there {
            return Added { id: row.id, new: false };
        }
        self.last = self.last.saturating_add(1);
        self.rows.push(MappingRow { id: self.last, mapping });
        Added { id: self.last, new: true }
    }

    fn remove(&mut self, id: i64) -> bool {
        let before = self.rows.len();
        self.rows.retain(|row| row.id != id);
        self.rows.len() < before
    }
}

impl Default for MemoryMapping {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait::async_trait]
impl PolicyStore for MemoryMapping {
    async fn load(&self) -> Result<Vec<Rule>, StoreError> {
        let table = self.table();
        self.loaded.store(*self.version.borrow(), Ordering::Release);
        Ok(table.rows.iter().cloned().map(Rule::from).collect())
    }

    async fn changed(&self) -> Result<(), StoreError> {
        let mut versions = self.version.subscribe();
        let newer = |version: &u64| *version != self.loaded.load(Ordering::Acquire);
        // The sender is ours, and lives as long as we do.
        versions.wait_for(newer).await.map(|_| ()).map_err(|_| StoreError::Stopped)
    }
}

#[async_trait::async_trait]
impl MappingStore for MemoryMapping {
    async fn rows(&self) -> Result<Vec<MappingRow>, StoreError> {
        Ok(self.table().rows.clone())
    }

    async fn add(&self, mappings: Vec<Mapping>) -> Result<Vec<Added>, StoreError> {
        Mapping::check(&mappings)?;
        Ok(self.change(|table| mappings.into_iter().map(|mapping| table.add(mapping)).collect()))
    }

    async fn remove(&self, ids: Vec<i64>) -> Result<Vec<bool>, StoreError> {
        Ok(self.change(|table| ids.into_iter().map(|id| table.remove(id)).collect()))
    }

    async fn replace(&self, mappings: Vec<Mapping>) -> Result<Replaced, StoreError> {
        Mapping::check(&mappings)?;
        Ok(self.change(|table| {
            let change = MappingChange::between(&table.rows, &mappings);
            let summary = change.summary();
            for id in change.remove {
                table.remove(id);
            }
            for (id, note) in change.notes {
                let row = table.rows.iter_mut().find(|row| row.id == id);
                row.into_iter().for_each(|row| row.mapping.note.clone_from(&note));
            }
            for mapping in change.add {
                table.add(mapping);
            }
            summary
        }))
    }
}

/// Shows how many rows there are.
impl fmt::Debug for MemoryMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryMapping").field("rows", &self.table().rows.len()).finish()
    }
}
