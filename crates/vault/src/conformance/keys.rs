//! What a row is found by, and what it holds.

use super::{name, person, read_one, record, tenant, user};
use crate::envelope::Envelope;
use crate::owner::Owner;
use crate::seal::MAX_SECRET_LEN;
use crate::vault::{Record, Vault};

pub(super) async fn answers_in_the_order_of_the_question(vault: &dyn Vault) {
    let (alice, github) = (person("alice"), tenant("github"));
    let owner = Owner::new(&alice, &github);
    let (a, b, c) = (name("A"), name("B"), name("C"));
    assert_eq!(vault.read(owner, &[]).await.unwrap(), [], "nothing was asked for");
    assert_eq!(vault.list(owner).await.unwrap(), [], "nothing is stored");
    vault.write(owner, &c, record("c")).await.unwrap();
    vault.write(owner, &a, record("a")).await.unwrap();
    let asked = [c.clone(), b, a.clone(), c.clone()];
    let expected = [Some(record("c")), None, Some(record("a")), Some(record("c"))];
    assert_eq!(vault.read(owner, &asked).await.unwrap(), expected);
    let expected = [(a, record("a")), (c, record("c"))];
    assert_eq!(vault.list(owner).await.unwrap(), expected, "sorted by name");
}

/// Keys that a store would mix up which joins their parts, folds case, trims, or takes text for a pattern.
pub(super) async fn keeps_look_alikes_apart(vault: &dyn Vault) {
    let long = "x".repeat(bonafide_claims::MAX_ID_LEN);
    let longer_by_case = format!("{}X", "x".repeat(bonafide_claims::MAX_ID_LEN - 1));
    let users = [
        user("https://idp.example", None, "alice"),
        user("https://idp.example", None, "Alice"),
        user("https://idp.example", None, "alice "),
        user("https://idp.example", None, "alicé"),
        user("https://idp.example", None, "alice\u{301}"),
        user("https://idp.example", None, "%"),
        user("https://idp.example", None, "_"),
        user("https://idp.example", None, "*"),
        user("https://idp.example", None, "' OR 1=1 --"),
        user("https://idp.example", None, "../alice"),
        user("https://idp.example", None, "a/b"),
        user("https://idp.example", None, "a%2Fb"),
        user("https://idp.example", None, "\u{1f980}"),
        user("https://idp.example", None, "1"),
        user("https://idp.example", None, "1.0"),
        user("https://idp.example", None, "NULL"),
        user("https://idp.example", None, &long),
        user("https://idp.example", None, &longer_by_case),
        user("https://idp.example", Some("alice"), "alice"),
        user("https://idp.example", Some("a"), "lice"),
        user("https://idp.example", Some("NULL"), "alice"),
        user("https://idp.example/", None, "alice"),
        user("https://IDP.example", None, "alice"),
        user("https://idp.examplealice", None, "alice"),
        user("a", Some("b:c"), "d"),
        user("a:b", Some("c"), "d"),
        user("a", Some("b"), "c:d"),
        user("a:b:c", None, "d"),
        user("a", None, "b:c:d"),
    ];
    let tenants = [tenant("github"), tenant("git-hub"), tenant("git_hub"), tenant("github2")];
    let names = [name("TOKEN"), name("token"), name("TOKEN_"), name("T")];
    let all = || {
        let owners = users.iter().flat_map(|user| tenants.iter().map(|t| Owner::new(user, t)));
        owners.flat_map(|owner| names.iter().map(move |name| (owner, name))).enumerate()
    };
    for (number, (owner, name)) in all() {
        vault.write(owner, name, record(number.to_string())).await.unwrap();
    }
    for (number, (owner, name)) in all() {
        let read = read_one(vault, owner, name).await;
        assert_eq!(read, Some(record(number.to_string())), "{:?} {name}", owner.parts());
    }
    let (owner, name) = (Owner::new(&users[0], &tenants[0]), &names[0]);
    assert!(vault.remove(owner, name).await.unwrap());
    for (number, (owner, name)) in all().skip(1) {
        let read = read_one(vault, owner, name).await;
        assert_eq!(read, Some(record(number.to_string())), "{:?} {name}", owner.parts());
    }
}

pub(super) async fn gives_back_what_was_written(vault: &dyn Vault) {
    let (alice, github, token) = (person("alice"), tenant("github"), name("TOKEN"));
    let owner = Owner::new(&alice, &github);
    let every_byte: Vec<u8> = (0..=255).collect();
    let longest = vec![0xff; MAX_SECRET_LEN + 37];
    for bytes in [&b""[..], b"\0", b"\0\0", b"\\x41", b"text", &every_byte, &longest] {
        vault.write(owner, &token, record(bytes)).await.unwrap();
        let read = read_one(vault, owner, &token).await.unwrap();
        assert_eq!(read.envelope().as_bytes(), bytes);
    }
    for seconds in [0, 1, 1_700_000_000, 253_402_300_799] {
        let record = Record::new(Envelope::from_bytes(&b"x"[..]), seconds);
        vault.write(owner, &token, record).await.unwrap();
        let read = read_one(vault, owner, &token).await.unwrap();
        assert_eq!(read.unix_seconds(), seconds);
    }
    let (past, never) = (Some(1), None);
    for (expires, refused) in [(past, never), (never, Some(0)), (Some(253_402_300_799), past)] {
        let record = record("x").with_expiry(expires).with_refusal(refused);
        vault.write(owner, &token, record.clone()).await.unwrap();
        assert_eq!(read_one(vault, owner, &token).await, Some(record.clone()), "read");
        assert_eq!(vault.list(owner).await.unwrap(), [(token.clone(), record.clone())], "list");
        let page = vault.scan(None, 10).await.unwrap();
        assert_eq!(page, [(super::id(owner, &token), record)], "scan");
    }
    vault.write(owner, &token, record("x")).await.unwrap();
    let read = read_one(vault, owner, &token).await;
    assert_eq!(read, Some(record("x")), "a write leaves nothing of the earlier record");
}
