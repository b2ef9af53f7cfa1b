//! The suite that shows that a table keeps the contract of [`MappingStore`]. Feature `conformance`.
//!
//! Every store in this workspace runs it, and so can yours, from a test:
//!
//! ```
//! use std::sync::Arc;
//! use bonafide_policy::{MappingStore, MemoryMapping, conformance};
//!
//! # fn main() {
//! # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! conformance::run(|| async {
//!     let table: Arc<dyn MappingStore> = Arc::new(MemoryMapping::new());
//!     [table.clone(), table]
//! })
//! .await;
//! # });
//! # }
//! ```
//!
//! It must run inside a Tokio runtime with time, one with several threads if it is to find races. It panics with
//! what it expected when the store does something else.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a suite stops at the first fault that it finds"
)]

mod changes;
mod reload;
mod rows;

use std::sync::Arc;

use crate::mapping::{Mapping, MappingStore};

/// Runs every case, each on an empty table that `fresh` makes and opens twice: for a store on disk or elsewhere,
/// as two processes would.
///
/// # Panics
///
/// When the store does not keep the contract.
pub async fn run<F, Fut>(fresh: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = [Arc<dyn MappingStore>; 2]>,
{
    rows::gives_back_what_was_added(&fresh().await).await;
    rows::adds_nothing_twice(&fresh().await).await;
    rows::refuses_what_is_wrong_as_a_whole(&fresh().await).await;
    rows::removes_rows_and_gives_no_number_twice(&fresh().await).await;
    rows::replaces_rows_and_keeps_what_stays(&fresh().await).await;
    rows::gives_a_rule_for_each_row(&fresh().await).await;
    changes::says_when_there_is_one(&fresh().await).await;
    changes::says_nothing_without_one(&fresh().await).await;
    changes::are_whole_for_those_who_read(&fresh().await).await;
    changes::by_two_at_once_are_both_made(&fresh().await).await;
    reload::decides_by_the_old_or_by_the_new_rows(&fresh().await).await;
    reload::stays_with_the_old_rows_when_the_new_ones_are_wrong(&fresh().await).await;
}

fn allow(group: &str) -> Mapping {
    Mapping::allow(group, "github")
}

async fn mappings(store: &dyn MappingStore) -> Vec<Mapping> {
    store.rows().await.unwrap().into_iter().map(|row| row.mapping).collect()
}
