//! The table in memory keeps the contract.

use std::sync::Arc;

use bonafide_policy::{MappingStore, MemoryMapping, conformance};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeps_the_contract() {
    conformance::run(|| async {
        let table: Arc<dyn MappingStore> = Arc::new(MemoryMapping::new());
        [table.clone(), table]
    })
    .await;
}
