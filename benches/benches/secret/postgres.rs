//! One round trip to PostgreSQL for all secrets of a user, beside a bare one.

use std::sync::Arc;

use bonafide_policy::Permit;
use bonafide_postgres::Postgres;
use bonafide_vault::{Keyring, Owner, Sealer, SecretName, SecretStore, Vault as _};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, Statement};

use crate::bare::Bare;
use crate::common::{Contender, compare};
use crate::data::{Turn, permits, rows};
use crate::server::{Server, connect, postgres};

/// One user in so many is there.
const STEP: usize = 50;

pub(crate) fn compare_reads(bare: &Bare, keyring: &Keyring, names: &[SecretName]) {
    if std::env::var_os("BONAFIDE_REAL").is_none_or(|value| value != "1") {
        println!("\nSKIPPED reads from PostgreSQL: set BONAFIDE_REAL=1 where it is installed");
        return;
    }
    // As it is configured in use, except that it does not sync: nothing is written while it is measured.
    let server = Server::start_with("log_statement = 'none'\nlog_connections = off");
    // The connections are served by another thread than the one that asks, as in a gateway.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let permits = permits("jira", STEP);
    let (database, bare_client) = runtime.block_on(async {
        let url = server.database().await;
        let database = postgres(&url);
        fill(&database, keyring, names).await;
        let client = connect(&url).await;
        // As after some time in use: what is where, and how much of it, is known.
        client.batch_execute("ANALYZE bonafide.secrets").await.unwrap();
        (database, client)
    });
    let uncached = SecretStore::new(store(&database, 0), keyring.clone());
    let warm = SecretStore::new(store(&database, permits.len() * 2), keyring.clone());
    let statement = runtime.block_on(bare_client.prepare(SQL)).unwrap();
    let bare_read = |permit: &Permit| bare_read(&runtime, &bare_client, &statement, permit);
    let ours = |store: &SecretStore, permit: &Permit| {
        let secrets = runtime.block_on(store.open(permit).read(names)).unwrap();
        assert!((0..names.len()).all(|index| secrets.get(index).is_some()));
        secrets
    };
    permits.iter().for_each(|permit| drop(ours(&warm, permit)));
    let [a, b, c, d] = [(); 4].map(|()| Turn::default());
    compare(
        "read of three secrets from PostgreSQL: 2,000 users in turn",
        vec![
            Contender::new("bare tokio-postgres, a key derived, opens", || {
                let envelopes = bare_read(a.next(&permits));
                let key = bare.derive();
                assert_eq!(envelopes.len(), names.len());
                envelopes.iter().map(|_| bare.open(&key).len()).sum::<usize>()
            }),
            Contender::new("bare tokio-postgres alone", || bare_read(b.next(&permits))),
            Contender::new("PostgresVault, no cache", || ours(&uncached, c.next(&permits))),
            Contender::new("PostgresVault, rows at hand", || ours(&warm, d.next(&permits))),
        ],
    );
}

/// All secrets of a tenant in one answer, as ours asks.
const SQL: &str = "SELECT envelope FROM bonafide.secrets
    WHERE issuer = $1 AND directory = $2 AND subject = $3 AND tenant = $4";

fn bare_read(
    runtime: &Runtime,
    client: &Client,
    statement: &Statement,
    permit: &Permit,
) -> Vec<Vec<u8>> {
    let owner = Owner::new(permit.user().id(), permit.tenant());
    let [issuer, directory, subject, tenant] = owner.parts();
    let key: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&issuer, &directory, &subject, &tenant];
    let rows = runtime.block_on(client.query(statement, &key)).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

fn store(database: &Postgres, cached_owners: usize) -> Arc<bonafide_postgres::PostgresVault> {
    Arc::new(database.vault().with_cached_owners(cached_owners))
}

async fn fill(database: &Postgres, keyring: &Keyring, names: &[SecretName]) {
    let sealer = Sealer::new(keyring.clone());
    let numbers: Vec<usize> = (0..crate::data::USERS).step_by(STEP).collect();
    for numbers in numbers.chunks(200) {
        database.vault().replace(rows(numbers, &sealer, names)).await.unwrap();
    }
}
