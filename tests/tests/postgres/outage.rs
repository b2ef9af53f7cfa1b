//! A server that goes away and comes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bonafide_policy::TenantId;
use bonafide_postgres::{Postgres, PostgresVault};
use bonafide_vault::{Envelope, Owner, Record, SecretName, StoreError, Vault};
use tokio::time::sleep;

use crate::changes::{alice, record, user};
use crate::server::{Server, address, postgres};
use crate::wire::Wire;

const WRITERS: usize = 6;

/// A round that a writer has written, as the row holds it.
fn round(number: u64) -> Record {
    Record::new(Envelope::from_bytes(number.to_be_bytes()), number)
}

/// What one writer was told.
#[derive(Default)]
struct Told {
    acknowledged: u64,
    /// Rounds that failed since: each was made or not.
    open: Vec<u64>,
    errors: usize,
}

pub(crate) async fn errors_while_the_server_is_away_none_after_and_nothing_lost(_: &Server) {
    // Its own, and one that keeps what it says it has.
    let server = Server::start_with("fsync = on");
    let url = server.database().await;
    let vault = Arc::new(postgres(&url).vault());
    vault.postgres().prepare().await.unwrap();
    let (done, quiet) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(true)));
    let late = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| {
            let vault = Arc::clone(&vault);
            let (done, quiet, late) = (Arc::clone(&done), Arc::clone(&quiet), Arc::clone(&late));
            tokio::spawn(write(vault, number, done, quiet, late))
        })
        .collect();
    let mut away = Duration::ZERO;
    for stop in 0..3 {
        sleep(Duration::from_millis(500)).await;
        quiet.store(false, Ordering::SeqCst);
        server.stop();
        let stopped = Instant::now();
        sleep(Duration::from_millis(400 + 200 * stop)).await;
        server.run();
        away += stopped.elapsed();
        // From here on, nobody may fail who asks for a new connection.
        sleep(Duration::from_millis(500)).await;
        quiet.store(true, Ordering::SeqCst);
    }
    sleep(Duration::from_millis(500)).await;
    done.store(true, Ordering::SeqCst);
    let mut told = BTreeMap::new();
    for (number, writer) in writers.into_iter().enumerate() {
        told.insert(number, writer.await.unwrap());
    }
    let (tenant, name) = place();
    let fresh = postgres(&url).vault();
    for (number, told) in &told {
        let user = user(&format!("writer {number}"));
        for vault in [&*vault, &fresh] {
            let owner = Owner::new(&user, &tenant);
            let read = vault.read(owner, std::slice::from_ref(&name)).await.unwrap();
            let stored = read[0].as_ref().unwrap().unix_seconds();
            let possible = stored == told.acknowledged || told.open.contains(&stored);
            assert!(possible, "writer {number}: {stored} after {}", told.acknowledged);
        }
        assert!(told.errors > 0, "writer {number} never noticed that the server was away");
    }
    let late = late.load(Ordering::SeqCst);
    let acknowledged: u64 = told.values().map(|told| told.acknowledged).sum();
    let errors: usize = told.values().map(|told| told.errors).sum();
    println!(
        "3 stops, {away:?} away, {acknowledged} rounds, {errors} errors meanwhile, {late} after"
    );
    assert_eq!(late, 0, "errors while the server was there");
}

async fn write(
    vault: Arc<PostgresVault>,
    number: usize,
    done: Arc<AtomicBool>,
    quiet: Arc<AtomicBool>,
    late: Arc<AtomicUsize>,
) -> Told {
    let (tenant, name) = place();
    let user = user(&format!("writer {number}"));
    let owner = Owner::new(&user, &tenant);
    let mut told = Told::default();
    for next in 1.. {
        if done.load(Ordering::SeqCst) {
            break;
        }
        let before = quiet.load(Ordering::SeqCst);
        let written = vault.write(owner, &name, round(next)).await;
        let read = vault.read(owner, std::slice::from_ref(&name)).await;
        if before && quiet.load(Ordering::SeqCst) && (written.is_err() || read.is_err()) {
            eprintln!("{written:?} {read:?}");
            late.fetch_add(1, Ordering::SeqCst);
        }
        match written {
            Ok(()) => (told.acknowledged, told.open) = (next, Vec::new()),
            Err(error) => {
                assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
                told.errors += 1;
                told.open.push(next);
                sleep(Duration::from_millis(20)).await;
            }
        }
        if let Ok(read) = read {
            let stored = read[0].as_ref().map_or(0, Record::unix_seconds);
            let possible = stored == told.acknowledged || told.open.contains(&stored);
            assert!(possible, "writer {number} read {stored} after {}", told.acknowledged);
        }
    }
    told
}

fn place() -> (TenantId, SecretName) {
    ("github".parse().unwrap(), "ROUND".parse().unwrap())
}

/// A statement that is held up, and a pool that is used up.
pub(crate) async fn waits_no_longer_than_allowed(server: &Server) {
    let url = server.database().await;
    let builder = Postgres::builder(address(&url))
        .with_connections(2)
        .with_connect_limit(Duration::from_millis(400))
        .with_statement_limit(Duration::from_millis(800));
    let vault = Arc::new(builder.build().unwrap().vault().with_cached_owners(0));
    let (user, tenant, names) = alice();
    vault.write(Owner::new(&user, &tenant), &names[0], record(1)).await.unwrap();
    let mut sql = crate::server::connect(&url).await;
    let lock = sql.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE bonafide.secrets IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let reads: Vec<_> = (0..5)
        .map(|_| {
            let (vault, user, tenant, names) =
                (Arc::clone(&vault), user.clone(), tenant.clone(), names.clone());
            tokio::spawn(async move {
                let begun = Instant::now();
                let read = vault.read(Owner::new(&user, &tenant), &names).await;
                (read.unwrap_err(), begun.elapsed())
            })
        })
        .collect();
    for read in reads {
        let (error, after) = read.await.unwrap();
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
        assert!(after < Duration::from_millis(2500), "{after:?}: {error:?}");
    }
    lock.rollback().await.unwrap();
    let read = vault.read(Owner::new(&user, &tenant), &names).await.unwrap();
    assert_eq!(read, [Some(record(1))]);
}

/// Reads are tried once more; a change says that it is not known whether it was made.
pub(crate) async fn survives_connections_that_are_cut_off(server: &Server) {
    let url = server.database().await;
    let wire = Wire::to(server.port).await;
    let vault = postgres(&wire.url(&url)).vault().with_cached_owners(0);
    let (user, tenant, names) = alice();
    let owner = Owner::new(&user, &tenant);
    vault.write(owner, &names[0], record(1)).await.unwrap();
    for round in 0..20 {
        wire.cut();
        if round % 2 == 0 {
            sleep(Duration::from_millis(20)).await;
        }
        let read = vault.read(owner, &names).await.unwrap();
        assert_eq!(read, [Some(record(1))], "round {round}");
    }
    let sql = crate::server::connect(&url).await;
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for round in 0..10 {
        sql.query(others, &[]).await.unwrap();
        let read = vault.read(owner, &names).await.unwrap();
        assert_eq!(read, [Some(record(1))], "round {round}");
    }
    sleep(Duration::from_millis(50)).await;
    vault.write(owner, &names[0], record(2)).await.unwrap();
}
