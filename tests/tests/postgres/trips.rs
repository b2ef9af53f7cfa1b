//! How often the server is asked.

use bonafide_postgres::PostgresVault;
use bonafide_vault::{Owner, Replacement, SecretId, SecretName, Vault};
use tokio::time::{Duration, sleep};

use crate::changes::{alice, record, user};
use crate::server::{Server, postgres};
use crate::wire::Wire;

async fn vault(server: &Server, wire: &Wire) -> PostgresVault {
    let url = wire.url(&server.database().await);
    let vault = postgres(&url).vault().with_cached_owners(0);
    vault.postgres().prepare().await.unwrap();
    vault
}

pub(crate) async fn all_secrets_of_a_tenant_take_one_round_trip(server: &Server) {
    let wire = Wire::to(server.port).await;
    let vault = vault(server, &wire).await;
    let (user, tenant, _) = alice();
    let owner = Owner::new(&user, &tenant);
    let names: Vec<SecretName> = ["A", "B", "C"].map(|name| name.parse().unwrap()).into();
    for (byte, name) in (1..).zip(&names) {
        vault.write(owner, name, record(byte)).await.unwrap();
    }
    // The first read on a connection prepares the statement.
    vault.read(owner, &names).await.unwrap();
    wire.count();
    let read = vault.read(owner, &names).await.unwrap();
    assert_eq!(read, [Some(record(1)), Some(record(2)), Some(record(3))]);
    assert_eq!(wire.count(), (1, 0), "one question, and no statement prepared");
    vault.write(owner, &names[0], record(9)).await.unwrap();
    assert_eq!(wire.count(), (1, 0), "a change takes one as well");
    vault.list(owner).await.unwrap();
    assert_eq!(wire.count(), (1, 0));
    // Nothing is asked while nobody asks.
    sleep(Duration::from_millis(600)).await;
    assert_eq!(wire.count(), (0, 0));
}

pub(crate) async fn a_page_of_replacements_takes_one_round_trip(server: &Server) {
    let wire = Wire::to(server.port).await;
    let vault = vault(server, &wire).await;
    let (_, tenant, names) = alice();
    let changes = |expected: Option<u8>, new: u8| -> Vec<Replacement> {
        (0..256)
            .map(|number| Replacement {
                id: SecretId::new(user(&number.to_string()), tenant.clone(), names[0].clone()),
                expected: expected.map(|byte| record(byte).envelope().clone()),
                record: record(new),
            })
            .collect()
    };
    assert!(vault.replace(changes(None, 1)).await.unwrap().into_iter().all(|made| made));
    wire.count();
    assert!(vault.replace(changes(Some(1), 2)).await.unwrap().into_iter().all(|made| made));
    assert_eq!(wire.count(), (1, 0));
    assert!(!vault.replace(changes(Some(1), 3)).await.unwrap().into_iter().any(|made| made));
    assert!(!vault.replace(changes(None, 3)).await.unwrap().into_iter().any(|made| made));
    assert_eq!(wire.count(), (2, 0));
}
