//! Rules in memory.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use super::{PolicyStore, StoreError};
use crate::rule::Rule;

/// Rules that the program itself keeps and changes.
pub struct MemoryStore {
    /// The rules, and how often they were set.
    rules: watch::Sender<(u64, Vec<Rule>)>,
    loaded: AtomicU64,
}

impl MemoryStore {
    /// A store with these rules.
    #[must_use]
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules: watch::Sender::new((1, rules)), loaded: AtomicU64::new(0) }
    }

    /// Replaces all rules.
    pub fn set(&self, rules: Vec<Rule>) {
        self.rules.send_modify(|(version, old)| {
            *version = version.wrapping_add(1);
            *old = rules;
        });
    }
}

#[async_trait::async_trait]
impl PolicyStore for MemoryStore {
    async fn load(&self) -> Result<Vec<Rule>, StoreError> {
        let now = self.rules.borrow();
        let (version, rules) = &*now;
        self.loaded.store(*version, Ordering::Release);
        Ok(rules.clone())
    }

    async fn changed(&self) -> Result<(), StoreError> {
        let mut rules = self.rules.subscribe();
        let newer = |(version, _): &(u64, _)| *version != self.loaded.load(Ordering::Acquire);
        // The sender is ours, and lives as long as we do.
        rules.wait_for(newer).await.map(|_| ()).map_err(|_| StoreError::Stopped)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("rules", &self.rules.borrow().1.len()).finish()
    }
}
