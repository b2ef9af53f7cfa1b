//! What changes, and what does not.

use super::{id, name, person, read_one, record, tenant, user};
use crate::owner::{Owner, SecretId};
use crate::vault::{Record, Replacement, Vault};

pub(super) async fn replaces_and_removes(vault: &dyn Vault) {
    let (alice, github, token) = (person("alice"), tenant("github"), name("TOKEN"));
    let owner = Owner::new(&alice, &github);
    assert!(!vault.remove(owner, &token).await.unwrap(), "there was none");
    vault.write(owner, &token, record("first")).await.unwrap();
    vault.write(owner, &token, record("second")).await.unwrap();
    assert_eq!(read_one(vault, owner, &token).await, Some(record("second")));
    assert_eq!(vault.list(owner).await.unwrap().len(), 1, "one row, not two");
    assert!(vault.remove(owner, &token).await.unwrap());
    assert_eq!(read_one(vault, owner, &token).await, None);
    assert!(!vault.remove(owner, &token).await.unwrap(), "it was removed already");
    vault.write(owner, &token, record("third")).await.unwrap();
    assert_eq!(read_one(vault, owner, &token).await, Some(record("third")));
}

pub(super) async fn removes_one_user_everywhere_and_no_other(vault: &dyn Vault) {
    let users = [
        person("alice"),
        person("alic"),
        person("alice2"),
        user("https://idp.example", Some("d"), "alice"),
        user("https://idp.example/", None, "alice"),
    ];
    let (tenants, names) = ([tenant("github"), tenant("jira")], [name("A"), name("B")]);
    for user in &users {
        for tenant in &tenants {
            for name in &names {
                vault.write(Owner::new(user, tenant), name, record("x")).await.unwrap();
            }
        }
    }
    // Read before, so that a cache that forgets to forget is found.
    let owner = Owner::new(&users[0], &tenants[1]);
    assert_eq!(read_one(vault, owner, &names[1]).await, Some(record("x")));
    assert_eq!(vault.remove_user(&users[0]).await.unwrap(), 4);
    assert_eq!(vault.remove_user(&users[0]).await.unwrap(), 0);
    for (number, user) in users.iter().enumerate() {
        for tenant in &tenants {
            let left = vault.list(Owner::new(user, tenant)).await.unwrap();
            assert_eq!(left.len(), if number == 0 { 0 } else { 2 }, "user {number}");
        }
    }
}

pub(super) async fn replaces_only_what_is_as_expected(vault: &dyn Vault) {
    let (alice, github) = (person("alice"), tenant("github"));
    let owner = Owner::new(&alice, &github);
    let change = |name: &str, expected: Option<&str>, new: &str| Replacement {
        id: id(owner, &super::name(name)),
        expected: expected.map(|expected| record(expected).envelope().clone()),
        record: record(new),
    };
    vault.write(owner, &name("A"), record("a")).await.unwrap();
    vault.write(owner, &name("B"), record("b")).await.unwrap();
    assert_eq!(read_one(vault, owner, &name("A")).await, Some(record("a")));
    let changes = vec![
        change("A", Some("a"), "a2"),
        change("B", Some("other"), "b2"),
        change("B", None, "b2"),
        change("C", Some("c"), "c2"),
        change("D", None, "d"),
        change("A", Some("a"), "a3"),
        change("A", Some("a2"), "a4"),
    ];
    let made = vault.replace(changes).await.unwrap();
    assert_eq!(made, [true, false, false, false, true, false, true]);
    for (name, expected) in [("A", Some("a4")), ("B", Some("b")), ("C", None), ("D", Some("d"))] {
        let read = read_one(vault, owner, &super::name(name)).await;
        assert_eq!(read, expected.map(record), "{name}");
    }
    assert!(vault.replace(Vec::new()).await.unwrap().is_empty());
    // The times of the new record count, and those of the old one are no condition.
    let envelope = Some(record("a4").envelope().clone());
    for times in [(Some(7), Some(8)), (None, Some(9)), (None, None)] {
        let record = record("a4").with_expiry(times.0).with_refusal(times.1);
        let id = id(owner, &name("A"));
        let change = Replacement { id, expected: envelope.clone(), record: record.clone() };
        assert_eq!(vault.replace(vec![change]).await.unwrap(), [true]);
        assert_eq!(read_one(vault, owner, &name("A")).await, Some(record));
    }
}

pub(super) async fn scans_every_row_once(vault: &dyn Vault) {
    assert_eq!(vault.scan(None, 10).await.unwrap(), [], "an empty store has no rows");
    let users = [
        person("alice"),
        person("Bob"),
        user("https://idp.example", Some("d"), "alice"),
        user("https://idp", None, "zoë"),
    ];
    let mut rows: Vec<(SecretId, Record)> = Vec::new();
    for user in &users {
        for tenant in [tenant("github"), tenant("a1"), tenant("jira")] {
            for name in [name("B"), name("A"), name("_")] {
                let owner = Owner::new(user, &tenant);
                let record = record(rows.len().to_string());
                vault.write(owner, &name, record.clone()).await.unwrap();
                rows.push((id(owner, &name), record));
            }
        }
    }
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    for limit in [1, 2, 7, rows.len(), rows.len() + 1] {
        assert_eq!(scan(vault, limit).await, rows, "pages of {limit}");
    }
    // Behind a row that is not there any more.
    let (gone, _) = rows.remove(5);
    assert!(vault.remove(gone.owner(), gone.name()).await.unwrap());
    assert_eq!(vault.scan(Some(&gone), 100).await.unwrap(), rows[5..]);
}

async fn scan(vault: &dyn Vault, limit: usize) -> Vec<(SecretId, Record)> {
    let mut rows: Vec<(SecretId, Record)> = Vec::new();
    loop {
        let last = rows.last().map(|(id, _)| id.clone());
        let page = vault.scan(last.as_ref(), limit).await.unwrap();
        assert!(page.len() <= limit, "at most {limit} rows");
        if page.is_empty() {
            return rows;
        }
        rows.extend(page);
    }
}
