//! The PostgreSQL store keeps the contract, with and without its cache.

use std::sync::Arc;

use bonafide_postgres::{Postgres, PostgresBuilder, PostgresVault};
use bonafide_vault::{Vault, conformance};

use crate::server::{Server, address};

async fn check(
    server: &Server,
    configure: impl Fn(PostgresBuilder) -> PostgresBuilder,
    with: impl Fn(PostgresVault) -> PostgresVault,
) {
    conformance::run(|| async {
        let builder = Postgres::builder(address(&server.database().await));
        let vault = with(configure(builder).build().unwrap().vault());
        Arc::new(vault) as Arc<dyn Vault>
    })
    .await;
}

pub(crate) async fn keeps_the_contract(server: &Server) {
    check(server, |builder| builder, |vault| vault).await;
}

pub(crate) async fn keeps_the_contract_without_a_cache(server: &Server) {
    check(server, |builder| builder, |vault| vault.with_cached_owners(0)).await;
}

/// A cache that holds eight owners, so that rows come and go.
pub(crate) async fn keeps_the_contract_with_a_tiny_cache(server: &Server) {
    check(server, |builder| builder, |vault| vault.with_cached_owners(1)).await;
}

/// Everybody waits for everybody.
pub(crate) async fn keeps_the_contract_with_one_connection(server: &Server) {
    check(server, |builder| builder.with_connections(1), |vault| vault).await;
}
