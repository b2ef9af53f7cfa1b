//! Many at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use secrecy::SecretString;

use super::{id, name, person, read_one, record, sealer, tenant};
use crate::admin;
use crate::key::MasterKey;
use crate::keyring::Keyring;
use crate::owner::Owner;
use crate::seal::Sealer;
use crate::vault::{Record, Replacement, Vault};

const TASKS: usize = 8;
const ROUNDS: usize = 25;

pub(super) async fn readers_see_whole_values(vault: Arc<dyn Vault>) {
    let done = Arc::new(AtomicBool::new(false));
    let value = |number: usize| record(vec![u8::try_from(number).unwrap(); 2000]);
    let (alice, github, token) = (person("alice"), tenant("github"), name("TOKEN"));
    vault.write(Owner::new(&alice, &github), &token, value(0)).await.unwrap();
    let readers: Vec<_> = (0..TASKS)
        .map(|_| {
            let (vault, done) = (Arc::clone(&vault), Arc::clone(&done));
            let (alice, github, token) = (alice.clone(), github.clone(), token.clone());
            tokio::spawn(async move {
                while !done.load(Ordering::SeqCst) {
                    let read = read_one(&*vault, Owner::new(&alice, &github), &token).await;
                    let bytes = read.unwrap().envelope().as_bytes().to_vec();
                    assert!(bytes.len() == 2000 && bytes.iter().all(|&byte| byte == bytes[0]));
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let writers: Vec<_> = (0..TASKS)
        .map(|task| {
            let vault = Arc::clone(&vault);
            let (alice, github, token) = (alice.clone(), github.clone(), token.clone());
            tokio::spawn(async move {
                for round in 0..ROUNDS {
                    let value = value((task * ROUNDS + round) % 256);
                    vault.write(Owner::new(&alice, &github), &token, value).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
}

pub(super) async fn writers_see_their_own_changes(vault: Arc<dyn Vault>) {
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let vault = Arc::clone(&vault);
            tokio::spawn(async move {
                let (user, github) = (person(&format!("user {task}")), tenant("github"));
                let (owner, token) = (Owner::new(&user, &github), name("TOKEN"));
                for round in 0..ROUNDS {
                    let value = record(format!("{task} {round}"));
                    vault.write(owner, &token, value.clone()).await.unwrap();
                    assert_eq!(read_one(&*vault, owner, &token).await, Some(value));
                    if round % 5 == 0 {
                        assert!(vault.remove(owner, &token).await.unwrap());
                        assert_eq!(read_one(&*vault, owner, &token).await, None);
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// A counter that everybody raises: if two replacements of one value both succeed, the sum is too small.
pub(super) async fn replacements_are_never_lost(vault: Arc<dyn Vault>) {
    let (alice, github, token) = (person("alice"), tenant("github"), name("COUNTER"));
    vault.write(Owner::new(&alice, &github), &token, record("0")).await.unwrap();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let vault = Arc::clone(&vault);
            let (alice, github, token) = (alice.clone(), github.clone(), token.clone());
            tokio::spawn(async move {
                let owner = Owner::new(&alice, &github);
                let mut raised = 0;
                while raised < 10 {
                    let stored = read_one(&*vault, owner, &token).await.unwrap();
                    let count = std::str::from_utf8(stored.envelope().as_bytes()).unwrap();
                    let next = count.parse::<u64>().unwrap() + 1;
                    let change = Replacement {
                        id: id(owner, &token),
                        expected: Some(stored.envelope().clone()),
                        record: record(next.to_string()),
                    };
                    raised += u32::from(vault.replace(vec![change]).await.unwrap()[0]);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let count = read_one(&*vault, Owner::new(&alice, &github), &token).await;
    assert_eq!(count, Some(record((TASKS * 10).to_string())));
}

/// While everything is sealed again, nobody fails to read, and no change is undone.
pub(super) async fn rewraps_under_load(vault: Arc<dyn Vault>) {
    let old_key = MasterKey::generate().unwrap();
    let old = Sealer::new(Keyring::new(&old_key).unwrap());
    let ring = Keyring::new(&MasterKey::generate().unwrap()).unwrap().with_older(&old_key).unwrap();
    let both = Sealer::new(ring);
    let github = tenant("github");
    let seal = |sealer: &Sealer, owner: Owner<'_>, round: usize| {
        let value = SecretString::from(format!("value {round}"));
        Record::new(sealer.seal(owner, &name("TOKEN"), &value).unwrap(), 7)
    };
    let mut rows = Vec::new();
    for number in 0..400 {
        let user = person(&format!("user {number}"));
        let owner = Owner::new(&user, &github);
        let change = Replacement {
            id: id(owner, &name("TOKEN")),
            expected: None,
            record: seal(&old, owner, 0),
        };
        rows.push(change);
    }
    assert!(vault.replace(rows).await.unwrap().into_iter().all(|made| made));
    let done = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..4)
        .map(|task| {
            let (vault, done, both) = (Arc::clone(&vault), Arc::clone(&done), both.clone());
            tokio::spawn(async move {
                let (github, token) = (tenant("github"), name("TOKEN"));
                let mut number = task;
                while !done.load(Ordering::SeqCst) {
                    let user = person(&format!("user {number}"));
                    let owner = Owner::new(&user, &github);
                    let read = read_one(&*vault, owner, &token).await.unwrap();
                    both.check(owner, &token, read.envelope()).unwrap();
                    if number % 8 == task {
                        let value = SecretString::from(format!("by task {task}"));
                        let sealed = both.seal(owner, &token, &value).unwrap();
                        vault.write(owner, &token, Record::new(sealed.clone(), 9)).await.unwrap();
                        let read = read_one(&*vault, owner, &token).await.unwrap();
                        // The rewrap leaves alone what is sealed with the newest key.
                        assert_eq!(read.envelope(), &sealed);
                    }
                    number = (number + 4) % 400;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let report = admin::rewrap(&*vault, &both, |_| {}).await.unwrap();
    done.store(true, Ordering::SeqCst);
    for task in load {
        task.await.unwrap();
    }
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(report.rewrapped + report.current, 400);
    let report = admin::verify(&*vault, &both, |_| {}).await.unwrap();
    assert_eq!(report.opened.into_iter().collect::<Vec<_>>(), [(both.keyring().newest(), 400)]);
}

/// A caller that goes away leaves the old value or the new one, and a store that works.
pub(super) async fn survives_callers_who_stop_waiting(vault: Arc<dyn Vault>) {
    let sealer = sealer();
    let (alice, github, token) = (person("alice"), tenant("github"), name("TOKEN"));
    let owner = Owner::new(&alice, &github);
    let seal = |round: usize| {
        let sealed = sealer.seal(owner, &token, &SecretString::from(round.to_string())).unwrap();
        Record::new(sealed, 0)
    };
    let mut possible = vec![seal(0)];
    vault.write(owner, &token, possible[0].clone()).await.unwrap();
    for round in 0..200 {
        let new = seal(round);
        possible.push(new.clone());
        let mut write = vault.write(owner, &token, new);
        // Polled once, and dropped wherever it has come to.
        let polled =
            std::future::poll_fn(|context| std::task::Poll::Ready(write.as_mut().poll(context)));
        drop(polled.await);
        drop(write);
        let read = read_one(&*vault, owner, &token).await.unwrap();
        assert!(possible.contains(&read), "round {round}");
        sealer.check(owner, &token, read.envelope()).unwrap();
    }
    let last = seal(1000);
    vault.write(owner, &token, last.clone()).await.unwrap();
    assert_eq!(read_one(&*vault, owner, &token).await, Some(last));
}
