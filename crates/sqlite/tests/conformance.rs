//! The SQLite store keeps the contract, with and without its cache.

#![expect(clippy::unwrap_used, reason = "a failing test stops there")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bonafide_sqlite::{SqliteVault, SqliteVaultBuilder};
use bonafide_vault::{Vault, conformance};

async fn run(configure: impl Fn(SqliteVaultBuilder) -> SqliteVaultBuilder) {
    let directory = tempfile::tempdir().unwrap();
    let next = AtomicUsize::new(0);
    let path = || -> PathBuf {
        directory.path().join(format!("{}.db", next.fetch_add(1, Ordering::SeqCst)))
    };
    conformance::run(|| {
        let vault = configure(SqliteVault::builder(path())).open().unwrap();
        async { Arc::new(vault) as Arc<dyn Vault> }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeps_the_contract() {
    run(|builder| builder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeps_the_contract_when_it_asks_the_file_each_time() {
    run(|builder| builder.with_staleness(Duration::ZERO)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeps_the_contract_without_a_cache() {
    run(|builder| builder.with_cached_owners(0)).await;
}

/// A cache that holds eight owners, so that rows come and go.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeps_the_contract_with_a_tiny_cache() {
    run(|builder| builder.with_cached_owners(1)).await;
}
