//! Sealed values through the store.

use secrecy::SecretString;

use super::{name, person, read_one, record, sealer, tenant};
use crate::admin;
use crate::envelope::Envelope;
use crate::memory::MemoryVault;
use crate::owner::Owner;
use crate::seal::OpenError;
use crate::vault::{Record, Vault};

pub(super) async fn opens_only_where_it_was_sealed(vault: &dyn Vault) {
    let sealer = sealer();
    let (alice, bob) = (person("alice"), person("bob"));
    let (github, jira) = (tenant("github"), tenant("jira"));
    let (token, other) = (name("TOKEN"), name("OTHER"));
    let places = [
        (Owner::new(&alice, &github), &token),
        (Owner::new(&bob, &github), &token),
        (Owner::new(&alice, &jira), &token),
        (Owner::new(&alice, &github), &other),
    ];
    let value = SecretString::from("canary");
    let home = places[0];
    let sealed = sealer.seal(home.0, home.1, &value).unwrap();
    // As somebody would do it who can write to the store.
    for (owner, name) in places {
        vault.write(owner, name, Record::new(sealed.clone(), 0)).await.unwrap();
    }
    for (number, (owner, name)) in places.into_iter().enumerate() {
        let read = read_one(vault, owner, name).await.unwrap();
        let expected = if number == 0 { Ok(()) } else { Err(OpenError::Refused) };
        assert_eq!(sealer.check(owner, name, read.envelope()), expected, "place {number}");
    }
    let report = admin::verify(vault, &sealer, |_| {}).await.unwrap();
    assert_eq!((report.refused, report.rows(), report.is_good()), (3, 4, false));
}

pub(super) async fn never_opens_when_tampered_with(vault: &dyn Vault) {
    let sealer = sealer();
    let (alice, github, token) = (person("alice"), tenant("github"), name("TOKEN"));
    let owner = Owner::new(&alice, &github);
    let sealed = sealer.seal(owner, &token, &SecretString::from("canary")).unwrap();
    for bit in 0..sealed.as_bytes().len() * 8 {
        let mut bytes = sealed.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        vault.write(owner, &token, record(&bytes)).await.unwrap();
        let read = read_one(vault, owner, &token).await.unwrap();
        assert_ne!(read.envelope(), &sealed, "bit {bit}");
        assert!(sealer.check(owner, &token, read.envelope()).is_err(), "bit {bit}");
    }
    vault.write(owner, &token, Record::new(sealed, 0)).await.unwrap();
    let read = read_one(vault, owner, &token).await.unwrap();
    assert_eq!(sealer.check(owner, &token, read.envelope()), Ok(()));
}

pub(super) async fn carries_everything_to_another_store(vault: &dyn Vault) {
    let sealer = sealer();
    let (tenants, names) = ([tenant("github"), tenant("jira")], [name("A"), name("B")]);
    for number in 0..150 {
        let user = person(&format!("user \"{number}\" \\ ü"));
        for tenant in &tenants {
            for name in &names {
                let owner = Owner::new(&user, tenant);
                let value = SecretString::from(format!("canary-{number}"));
                let sealed = sealer.seal(owner, name, &value).unwrap();
                let times = (number % 3 == 0).then_some(number);
                let record = Record::new(sealed, number).with_expiry(times).with_refusal(times);
                vault.write(owner, name, record).await.unwrap();
            }
        }
    }
    let mut file = Vec::new();
    let report = admin::export(vault, &mut file, None, |_| {}).await.unwrap();
    assert_eq!(report.rows, 600);
    let canary = b"canary";
    assert!(!file.windows(canary.len()).any(|part| part == canary), "exports are sealed");

    let other = MemoryVault::new();
    let there = admin::import(&other, &sealer, &*file, |_| {}).await.unwrap();
    assert_eq!(there.imported, 600);
    assert_eq!(other.scan(None, 1000).await.unwrap(), vault.scan(None, 1000).await.unwrap());
    // And back, over rows that are gone, the same, and different.
    vault.remove_user(&person("user \"7\" \\ ü")).await.unwrap();
    let changed = person("user \"8\" \\ ü");
    let owner = Owner::new(&changed, &tenants[0]);
    let mine = Record::new(Envelope::from_bytes(&b"mine"[..]), 0);
    vault.write(owner, &names[0], mine.clone()).await.unwrap();
    let back = admin::import(vault, &sealer, &*file, |_| {}).await.unwrap();
    assert_eq!((back.imported, back.same, back.kept, back.refused), (4, 595, 1, 0));
    assert_eq!(read_one(vault, owner, &names[0]).await, Some(mine));
}
