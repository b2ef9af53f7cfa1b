//! Reading secrets: what the cryptography costs, what SQLite costs, and what we add.
//!
//! `cargo bench -p bonafide-benches --bench secret` prints medians of interleaved rounds and the ratio to the limit. The
//! store holds 100,000 users with five secrets each: one for GitHub, three for Jira, one for Slack. At the end, each of them is
//! read and opened once, to show that the caches do not grow with the users (on Linux).

#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench stops at the first fault")]

mod common;

use std::cell::Cell;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};
use bonafide_claims::UserId;
use bonafide_policy::{Permit, Policy, Rule, TenantId};
use bonafide_sqlite::SqliteVault;
use bonafide_testkit::Issuer;
use bonafide_vault::{
    Keyring, MasterKey, MemoryVault, Owner, Record, Replacement, Sealer, SecretId, SecretName,
    SecretStore, Vault,
};
use common::{Contender, compare};
use rusqlite::Connection;
use secrecy::SecretString;

const ISSUER: &str = "https://login.example.com/realms/main";
const USERS: usize = 100_000;
/// One user in so many is read.
const STEP: usize = 50;
const VALUE: &str = "ghp_0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab";

fn main() {
    let keyring = Keyring::new(&MasterKey::generate().unwrap()).unwrap();
    let (github, jira) = (permits("github"), permits("jira"));
    let names: Vec<SecretName> = (0..3).map(|n| format!("NAME_{n}").parse().unwrap()).collect();
    let bare = Bare::new();

    opening(&bare, &keyring, &names);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    fill(&path, &keyring, &names);
    warm(&bare, &path, &keyring, &jira, &names);
    let first = names.get(..1).unwrap();
    cold("one secret, one user", &bare, &path, &keyring, github.get(..1).unwrap(), first);
    cold("one secret, 2,000 of 100,000 users", &bare, &path, &keyring, &github, first);
    cold("three secrets, one user", &bare, &path, &keyring, jira.get(..1).unwrap(), &names);
    cold("three secrets, 2,000 of 100,000 users", &bare, &path, &keyring, &jira, &names);
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

fn warm(bare: &Bare, path: &Path, keyring: &Keyring, permits: &[Permit], names: &[SecretName]) {
    let memory = SecretStore::new(Arc::new(MemoryVault::new()), keyring.clone());
    for permit in permits {
        for name in names {
            now(memory.open(permit).write(name, SecretString::from(VALUE))).unwrap();
        }
    }
    let sqlite = SecretStore::new(Arc::new(SqliteVault::open(path).unwrap()), keyring.clone());
    let exact = SqliteVault::builder(path).with_staleness(std::time::Duration::ZERO).open();
    let exact = SecretStore::new(Arc::new(exact.unwrap()), keyring.clone());
    let read = |store: &SecretStore, permit: &Permit| {
        let secrets = now(store.open(permit).read(names)).unwrap();
        assert!((0..names.len()).all(|index| secrets.get(index).is_some()));
        secrets
    };
    for permit in permits {
        read(&sqlite, permit);
        read(&exact, permit);
    }
    let first = permits.first().unwrap();
    let [a, b, c] = [Turn::default(), Turn::default(), Turn::default()];
    compare(
        "warm read of one user's three secrets",
        vec![
            Contender::new("three bare opens, key kept", || {
                for _ in 0..3 {
                    bare.open(&bare.key);
                }
            }),
            Contender::new("three bare opens, key derived once", || {
                let key = bare.derive();
                for _ in 0..3 {
                    bare.open(&key);
                }
            }),
            Contender::new("MemoryVault, one user", || read(&memory, first)),
            Contender::new("MemoryVault, 2,000 users in turn", || read(&memory, a.next(permits))),
            Contender::new("SqliteVault, one user", || read(&sqlite, first)),
            Contender::new("SqliteVault, 2,000 users in turn", || read(&sqlite, b.next(permits))),
            Contender::new("SqliteVault, staleness 0, in turn", || read(&exact, c.next(permits))),
        ],
    );
}

fn cold(
    title: &str,
    bare: &Bare,
    path: &Path,
    keyring: &Keyring,
    permits: &[Permit],
    names: &[SecretName],
) {
    let vault = SqliteVault::builder(path).with_cached_owners(0).open().unwrap();
    let uncached = SecretStore::new(Arc::new(vault), keyring.clone());
    let file = Connection::open(path).unwrap();
    let points = |permit: &Permit| -> usize {
        let owner = Owner::new(permit.user().id(), permit.tenant());
        let [issuer, directory, subject, tenant] = owner.parts();
        let read = |name: &SecretName| -> Vec<u8> {
            let mut statement = file
                .prepare_cached(
                    "SELECT envelope FROM secrets WHERE issuer = ?1 AND directory = ?2 \
                     AND subject = ?3 AND tenant = ?4 AND name = ?5",
                )
                .unwrap();
            let key = [issuer, directory, subject, tenant, name.as_str()];
            statement.query_row(key, |row| row.get(0)).unwrap()
        };
        names.iter().map(|name| read(name).len()).sum()
    };
    let [a, b, c] = [Turn::default(), Turn::default(), Turn::default()];
    compare(
        &format!("cold read from SQLite: {title}"),
        vec![
            Contender::new("bare point reads, and opens", || {
                let len = points(a.next(permits));
                let key = bare.derive();
                names.iter().map(|_| bare.open(&key).len()).sum::<usize>() + len
            }),
            Contender::new("bare point reads alone", || points(b.next(permits))),
            Contender::new("SqliteVault, no cache", || {
                let secrets = now(uncached.open(c.next(permits)).read(names)).unwrap();
                assert!((0..names.len()).all(|index| secrets.get(index).is_some()));
                secrets
            }),
        ],
    );
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

/// The cryptography alone, with inputs as long as ours.
struct Bare {
    root: Prk,
    user_key: [u8; 32],
    key: LessSafeKey,
    sealed: Vec<u8>,
}

impl Bare {
    fn new() -> Self {
        let root = Prk::new_less_safe(HKDF_SHA256, &[7; 32]);
        let user_key = derive(&root);
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &user_key).unwrap());
        let mut sealed = VALUE.as_bytes().to_vec();
        let nonce = Nonce::assume_unique_for_key([7; 12]);
        key.seal_in_place_append_tag(nonce, Aad::from([7; 120]), &mut sealed).unwrap();
        Self { root, user_key, key, sealed }
    }

    fn open(&self, key: &LessSafeKey) -> Vec<u8> {
        let (text, tag) = self.sealed.split_at(VALUE.len());
        let mut value = vec![0; text.len()];
        let nonce = Nonce::assume_unique_for_key([7; 12]);
        key.open_separate_gather(nonce, Aad::from([7; 120]), text, tag, &mut value).unwrap();
        value
    }

    fn set_up(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &self.user_key).unwrap())
    }

    fn derive(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &derive(&self.root)).unwrap())
    }
}

fn derive(root: &Prk) -> [u8; 32] {
    struct Len;
    impl KeyType for Len {
        fn len(&self) -> usize {
            32
        }
    }
    let mut key = [0; 32];
    root.expand(&[&[7; 80]], Len).unwrap().fill(&mut key).unwrap();
    key
}

/// Takes permits in turn.
#[derive(Default)]
struct Turn(Cell<usize>);

impl Turn {
    fn next<'a>(&self, permits: &'a [Permit]) -> &'a Permit {
        // A step that is no divisor, so that neighbours in time are no neighbours in the file.
        self.0.set((self.0.get() + 769) % permits.len());
        permits.get(self.0.get()).unwrap()
    }
}

fn subject(number: usize) -> String {
    format!("{:08x}-0000-4000-8000-{number:012}", number.wrapping_mul(2_654_435_761) % (1 << 32))
}

fn user(number: usize) -> UserId {
    UserId::new(ISSUER.parse().unwrap(), None, subject(number).parse().unwrap())
}

fn permits(tenant: &str) -> Vec<Permit> {
    let issuer = Issuer::new(ISSUER);
    let tenant: TenantId = tenant.parse().unwrap();
    let rule = Rule::allow("staff").with_groups(["staff"]).with_tenants([tenant.as_str()]);
    let policy = Policy::builder().with_rule(rule).build().unwrap();
    let users = (0..USERS).step_by(STEP).map(|number| issuer.user(&subject(number)));
    users
        .map(|user| policy.permit(&user.with_groups(["staff"]).verified(), &tenant).unwrap())
        .collect()
}

fn fill(path: &Path, keyring: &Keyring, names: &[SecretName]) {
    let (vault, sealer) = (SqliteVault::open(path).unwrap(), Sealer::new(keyring.clone()));
    let places: Vec<(TenantId, &SecretName)> = [("github", 1), ("jira", 3), ("slack", 1)]
        .into_iter()
        .flat_map(|(tenant, count)| names.iter().take(count).map(move |name| (tenant, name)))
        .map(|(tenant, name)| (tenant.parse().unwrap(), name))
        .collect();
    let row = |number: usize, (tenant, name): &(TenantId, &SecretName)| {
        let id = SecretId::new(user(number), tenant.clone(), (*name).clone());
        let sealed = sealer.seal(id.owner(), name, &SecretString::from(VALUE)).unwrap();
        Replacement { id, expected: None, record: Record::new(sealed, 1_700_000_000) }
    };
    let numbers: Vec<usize> = (0..USERS).collect();
    for numbers in numbers.chunks(2_000) {
        let users = numbers.iter().flat_map(|&number| places.iter().map(move |at| (number, at)));
        wait(vault.replace(users.map(|(number, at)| row(number, at)).collect())).unwrap();
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
