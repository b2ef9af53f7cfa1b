//! The store in memory keeps the contract.

#![cfg(feature = "conformance")]

use std::sync::Arc;

use bonafide_vault::{MemoryVault, Vault, conformance};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_keeps_the_contract() {
    conformance::run(|| async { Arc::new(MemoryVault::new()) as Arc<dyn Vault> }).await;
}
