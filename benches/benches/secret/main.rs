//! Reading secrets: what the cryptography costs, what the database costs, and what we add.
//!
//! `cargo bench -p bonafide-benches --bench secret` prints medians of interleaved rounds and the ratio to the limit. The
//! store holds 100,000 users with five secrets each: one for GitHub, three for Jira, one for Slack. Each of them is
//! read twice and opened, to show that the caches do not grow with the users (on Linux). With `BONAFIDE_REAL=1` it starts a
//! PostgreSQL server as the tests do, and compares with a prepared statement of `tokio-postgres`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench stops at the first fault")]

mod bare;
#[path = "../common/mod.rs"]
mod common;
mod data;
mod postgres;
#[path = "../../../tests/tests/postgres/server.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod server;

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aws_lc_rs::aead::LessSafeKey;
use bonafide_policy::{Permit, TenantId};
use bonafide_sqlite::SqliteVault;
use bonafide_vault::{
    Keyring, MasterKey, MemoryVault, Owner, Sealer, SecretName, SecretStore, Secrets, Vault,
};
use common::{Contender, compare};
use rusqlite::{Connection, Statement};
use secrecy::SecretString;

use bare::{Bare, Map};
use data::{Turn, USERS, VALUE, permits, rows, user};

/// One user in so many is read warm, and one in so many cold.
const WARM_STEP: usize = 50;
const COLD_STEP: usize = 5;
/// For how many there is room in a cache that is to be full of others.
const FULL: usize = 1_024;

fn main() {
    let keyring = Keyring::new(&MasterKey::generate().unwrap()).unwrap();
    let names: Vec<SecretName> = (0..3).map(|n| format!("NAME_{n}").parse().unwrap()).collect();
    let bare = Bare::new();
    opening(&bare, &keyring, &names);

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    fill(&path, &keyring, &names);
    let jira = permits("jira", WARM_STEP);
    warm("one user", &bare, &path, &keyring, jira.get(..1).unwrap(), &names);
    warm("2,000 users in turn", &bare, &path, &keyring, &jira, &names);
    let (github, jira) = (permits("github", COLD_STEP), permits("jira", COLD_STEP));
    let first = names.get(..1).unwrap();
    cold("one secret, one user", &bare, &path, &keyring, github.get(..1).unwrap(), first);
    cold("one secret, 20,000 of 100,000 users", &bare, &path, &keyring, &github, first);
    cold("three secrets, one user", &bare, &path, &keyring, jira.get(..1).unwrap(), &names);
    cold("three secrets, 20,000 of 100,000 users", &bare, &path, &keyring, &jira, &names);
    postgres::compare_reads(&bare, &keyring, &names);
    bounded(&path, &keyring, &names);
}

fn opening(bare: &Bare, keyring: &Keyring, names: &[SecretName]) {
    let (user, tenant) = (user(0), "github".parse().unwrap());
    let (owner, name) = (Owner::new(&user, &tenant), names.first().unwrap());
    let sealer = Sealer::new(keyring.clone());
    let sealed = sealer.seal(owner, name, &SecretString::from(VALUE)).unwrap();
    compare(
        "open one secret of 64 bytes",
        vec![
            Contender::new("aws-lc-rs AES-256-GCM-SIV, key kept", || bare.open(&bare.key)),
            Contender::new("the same, key set up at each call", || bare.open(&bare.set_up())),
            Contender::new("the same, key derived at each call", || bare.open(&bare.derive())),
            Contender::new("Sealer::check, key at hand", || {
                sealer.check(owner, name, &sealed).unwrap()
            }),
        ],
    );
}

fn warm(
    title: &str,
    bare: &Bare,
    path: &Path,
    keyring: &Keyring,
    permits: &[Permit],
    names: &[SecretName],
) {
    let memory = SecretStore::new(Arc::new(MemoryVault::new()), keyring.clone());
    for permit in permits {
        for name in names {
            now(memory.open(permit).write(name, SecretString::from(VALUE))).unwrap();
        }
    }
    let sqlite = SecretStore::new(Arc::new(SqliteVault::open(path).unwrap()), keyring.clone());
    let exact = SqliteVault::builder(path).with_staleness(Duration::ZERO).open().unwrap();
    let exact = SecretStore::new(Arc::new(exact), keyring.clone());
    // Who is read a second time is kept.
    for permit in permits.iter().chain(permits) {
        read(&sqlite, permit, names);
        read(&exact, permit, names);
    }
    let map = Map::new(bare, permits, names.len());
    let [a, b, c, d] = [(); 4].map(|()| Turn::default());
    compare(
        &format!("warm read of three secrets: {title}"),
        vec![
            Contender::new("a map of keys and envelopes, and three opens", || {
                map.read(a.next(permits))
            }),
            Contender::new("three bare opens alone, key kept", || {
                for _ in 0..3 {
                    bare.open(&bare.key);
                }
            }),
            Contender::new("MemoryVault", || read(&memory, b.next(permits), names)),
            Contender::new("SqliteVault", || read(&sqlite, c.next(permits), names)),
            Contender::new("SqliteVault, staleness 0", || read(&exact, d.next(permits), names)),
        ],
    );
}

fn read(store: &SecretStore, permit: &Permit, names: &[SecretName]) -> Secrets {
    let secrets = now(store.open(permit).read(names)).unwrap();
    assert!((0..names.len()).all(|index| secrets.get(index).is_some()));
    secrets
}

fn cold(
    title: &str,
    bare: &Bare,
    path: &Path,
    keyring: &Keyring,
    permits: &[Permit],
    names: &[SecretName],
) {
    let store = |cached_owners: usize| {
        let vault = SqliteVault::builder(path).with_cached_owners(cached_owners).open().unwrap();
        SecretStore::new(Arc::new(vault), keyring.clone())
    };
    let (uncached, first, again) = (store(0), store(FULL), store(FULL));
    let point = "SELECT envelope FROM secrets WHERE issuer = ?1 AND directory = ?2 \
                 AND subject = ?3 AND tenant = ?4 AND name = ?5";
    let read_points = |statement: &mut Statement<'_>, permit: &Permit| -> usize {
        let owner = Owner::new(permit.user().id(), permit.tenant());
        let [issuer, directory, subject, tenant] = owner.parts();
        let mut read = |name: &SecretName| -> Vec<u8> {
            let key = [issuer, directory, subject, tenant, name.as_str()];
            statement.query_row(key, |row| row.get(0)).unwrap()
        };
        names.iter().map(|name| read(name).len()).sum()
    };
    // The statement comes from the connection's cache, as ours does: with `rusqlite`, none can be kept beside a connection
    // that several threads use.
    let points = |file: &Connection, permit: &Permit| {
        read_points(&mut file.prepare_cached(point).unwrap(), permit)
    };
    let opens = |key: &LessSafeKey| names.iter().map(|_| bare.open(key).len()).sum::<usize>();
    // Each with a connection of its own, with as many pages in memory as SQLite keeps by itself, and each elsewhere in the
    // file: what one has just read would be warm for the next.
    let [x, y, z] = [(); 3].map(|()| Connection::open(path).unwrap());
    let mut kept = z.prepare(point).unwrap();
    let [a, b, c, d, e, f] =
        [0, 1, 2, 3, 4, 5].map(|sixths| Turn::from(permits.len() / 6 * sixths));
    let many = permits.len() > FULL;
    let limit = if many {
        // The user's key is derived: nobody keeps those of all users.
        Contender::new("bare point reads, a key derived, and opens", || {
            points(&x, a.next(permits)) + opens(&bare.derive())
        })
    } else {
        Contender::new("bare point reads, and opens", || {
            points(&x, a.next(permits)) + opens(&bare.key)
        })
    };
    let mut contenders = vec![
        limit,
        Contender::new("bare point reads alone", || points(&y, b.next(permits))),
        Contender::new("the same, in one thread, statement kept", || {
            read_points(&mut kept, c.next(permits))
        }),
        Contender::new("SqliteVault, no cache", || read(&uncached, d.next(permits), names)),
    ];
    if many {
        // Full of others: those who were read twice are kept, and more of them come than there is room for.
        for permit in permits.iter().take(2 * FULL) {
            for store in [&first, &first, &again, &again] {
                read(store, permit, names);
            }
        }
        // Before anybody comes again, so many others came that each read is a first one.
        contenders.push(Contender::new("SqliteVault, first read, cache full", || {
            read(&first, e.next(permits), names)
        }));
        contenders.push(Contender::new("the same, and a second, which is kept", || {
            let permit = f.next(permits);
            (read(&again, permit, names), read(&again, permit, names))
        }));
    }
    compare(&format!("cold read from SQLite: {title}"), contenders);
}

/// Memory in use while more and more users come: it stops growing when the caches are full.
fn bounded(path: &Path, keyring: &Keyring, names: &[SecretName]) {
    let (vault, sealer) = (SqliteVault::open(path).unwrap(), Sealer::new(keyring.clone()));
    let tenant: TenantId = "jira".parse().unwrap();
    println!("\nresident memory, users read and opened one after the other");
    for number in 0..=USERS {
        if number % 20_000 == 0 {
            println!("  {number:>7} users {:>44}", resident().unwrap_or_default());
        }
        let user = user(number % USERS);
        let owner = Owner::new(&user, &tenant);
        // Who is read a second time is kept.
        now(vault.read(owner, names)).unwrap();
        for (name, record) in names.iter().zip(now(vault.read(owner, names)).unwrap()) {
            sealer.check(owner, name, record.unwrap().envelope()).unwrap();
        }
    }
}

fn resident() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().to_owned())
}

fn fill(path: &Path, keyring: &Keyring, names: &[SecretName]) {
    let (vault, sealer) = (SqliteVault::open(path).unwrap(), Sealer::new(keyring.clone()));
    let numbers: Vec<usize> = (0..USERS).collect();
    for numbers in numbers.chunks(2_000) {
        wait(vault.replace(rows(numbers, &sealer, names))).unwrap();
    }
}

/// The result of a future that does not wait. That it does not is part of what is measured.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a read left the thread"),
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::sleep(std::time::Duration::from_millis(1)),
        }
    }
}
