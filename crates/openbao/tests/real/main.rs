//! The store against a real OpenBao. Runs with `BONAFIDE_REAL=1`, after `tests/real/install`; `BONAFIDE_BAO` names
//! another `bao`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod server;

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bonafide_claims::UserId;
use bonafide_openbao::{Credentials, OpenBaoVault};
use bonafide_policy::{Permit, Policy, Rule, TenantId};
use bonafide_testkit::Issuer;
use bonafide_vault::{
    Envelope, Keyring, MasterKey, Owner, Record, SecretName, SecretStore, StoreError, Vault, admin,
    conformance,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

const CANARY: &str = "canary-91c07e";

fn alice() -> (UserId, TenantId, [SecretName; 1]) {
    let user = UserId::new("https://idp.example".parse().unwrap(), None, "alice".parse().unwrap());
    (user, "github".parse().unwrap(), ["TOKEN".parse().unwrap()])
}

const ALICE: &str = "https~3A~2F~2Fidp.example/~/alice/github";

fn record(byte: u8) -> Record {
    Record::new(Envelope::from_bytes([byte; 64]), 1_700_000_000)
}

fn permit() -> Permit {
    let user = Issuer::new("https://idp.example").user("alice").with_groups(["staff"]).verified();
    let rule = Rule::allow("staff").with_groups(["staff"]).with_tenants(["github"]);
    let policy = Policy::builder().with_rule(rule).build().unwrap();
    policy.permit(&user, &"github".parse().unwrap()).unwrap()
}

fn keyring() -> Keyring {
    Keyring::new(&MasterKey::generate().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeps_the_contract() {
    let Some(server) = server::start().await else { return };
    let next = AtomicUsize::new(0);
    for cached in [16, 0] {
        conformance::run(|| {
            let path = format!("contract/{}", next.fetch_add(1, Ordering::SeqCst));
            let vault = server.vault(&path).with_cached_owners(cached).build().unwrap();
            async { Arc::new(vault) as Arc<dyn Vault> }
        })
        .await;
    }
}

/// Two gateways that write to one entry at the same time lose nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn gateways_that_write_at_once_lose_nothing() {
    let Some(server) = server::start().await else { return };
    let writers: Vec<_> = (0..3)
        .map(|gateway| {
            let vault = server.vault("bonafide").build().unwrap();
            tokio::spawn(async move {
                let (user, tenant, _) = alice();
                for number in 0..10 {
                    let name = format!("NAME_{gateway}_{number}").parse().unwrap();
                    vault.write(Owner::new(&user, &tenant), &name, record(number)).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let vault = server.vault("bonafide").build().unwrap();
    let (user, tenant, _) = alice();
    assert_eq!(vault.list(Owner::new(&user, &tenant)).await.unwrap().len(), 30);
}

#[tokio::test]
async fn changes_elsewhere_are_seen_within_the_staleness() {
    let Some(server) = server::start().await else { return };
    let staleness = Duration::from_millis(200);
    let ours = server.vault("bonafide").with_staleness(staleness).build().unwrap();
    let theirs = server.vault("bonafide").build().unwrap();
    let (user, tenant, names) = alice();
    let owner = Owner::new(&user, &tenant);
    for byte in 1..5 {
        ours.read(owner, &names).await.unwrap();
        theirs.write(owner, &names[0], record(byte)).await.unwrap();
        tokio::time::sleep(staleness).await;
        assert_eq!(ours.read(owner, &names).await.unwrap(), [Some(record(byte))]);
    }
}

#[tokio::test]
async fn an_earlier_value_and_a_user_who_was_removed_are_gone_from_the_server() {
    let Some(server) = server::start().await else { return };
    let vault = server.vault("bonafide").build().unwrap();
    let (user, tenant, names) = alice();
    let owner = Owner::new(&user, &tenant);
    for byte in 1..5 {
        vault.write(owner, &names[0], record(byte)).await.unwrap();
    }
    let (_, metadata) = server.get(&format!("secret/metadata/bonafide/{ALICE}")).await;
    let versions = metadata["data"]["versions"].as_object().unwrap();
    assert_eq!(versions.keys().collect::<Vec<_>>(), ["4"], "{metadata}");
    assert_eq!(vault.remove_user(&user).await.unwrap(), 1);
    for path in
        [format!("secret/metadata/bonafide/{ALICE}"), format!("secret/data/bonafide/{ALICE}")]
    {
        assert_eq!(server.get(&path).await.0, 404);
    }
    let (status, _) = server.get("secret/metadata/bonafide?list=true").await;
    assert_eq!(status, 404, "a path with the user's name is left");
    // What an administrator deleted without its metadata is not there, and can be written again.
    vault.write(owner, &names[0], record(5)).await.unwrap();
    let (status, _) =
        server.ask("DELETE", &format!("secret/data/bonafide/{ALICE}"), None, &json!(null)).await;
    assert_eq!(status, 204);
    let vault = server.vault("bonafide").build().unwrap();
    assert_eq!(vault.read(owner, &names).await.unwrap(), [None]);
    vault.write(owner, &names[0], record(6)).await.unwrap();
    assert_eq!(vault.read(owner, &names).await.unwrap(), [Some(record(6))]);
}

/// With the policy of the documentation, and tokens that last two seconds, and six at most.
#[tokio::test]
async fn an_app_role_gets_a_new_token_whenever_it_needs_one() {
    let Some(server) = server::start().await else { return };
    let role = server.app_role("2s", "6s").await;
    let open = |role: Credentials| {
        OpenBaoVault::builder(&server.address, role).with_cached_owners(0).build().unwrap()
    };
    let vault = open(role.clone());
    let (user, tenant, names) = alice();
    let owner = Owner::new(&user, &tenant);
    for byte in 0..20 {
        vault.write(owner, &names[0], record(byte)).await.unwrap();
        assert_eq!(vault.read(owner, &names).await.unwrap(), [Some(record(byte))]);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(vault.scan(None, 10).await.unwrap().len(), 1);
    assert_eq!(vault.remove_user(&user).await.unwrap(), 1);
    // Idle for longer than a token lasts, and then one that somebody revoked.
    let role = server.app_role("20s", "60s").await;
    let vault = open(role);
    vault.write(owner, &names[0], record(1)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5500)).await;
    let (_, accessors) = server.get("auth/token/accessors?list=true").await;
    let own = server.get("auth/token/lookup-self").await.1["data"]["accessor"].clone();
    for accessor in accessors["data"]["keys"].as_array().unwrap() {
        if *accessor != own {
            server.post("auth/token/revoke-accessor", json!({ "accessor": accessor })).await;
        }
    }
    assert_eq!(vault.read(owner, &names).await.unwrap(), [Some(record(1))]);
}

#[tokio::test]
async fn a_token_is_renewed_while_nobody_asks() {
    let Some(server) = server::start().await else { return };
    let create = json!({ "policies": ["root"], "period": "3s" });
    let answer = server.post("auth/token/create", create).await;
    let token = answer["auth"]["client_token"].as_str().unwrap();
    let vault = OpenBaoVault::builder(&server.address, Credentials::token(token.into()));
    let vault = vault.with_cached_owners(0).build().unwrap();
    let (user, tenant, names) = alice();
    let owner = Owner::new(&user, &tenant);
    vault.write(owner, &names[0], record(1)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(vault.read(owner, &names).await.unwrap(), [Some(record(1))]);
    // Nobody renews it when the store is gone.
    drop(vault);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let lookup = json!({ "token": token });
    assert_ne!(server.ask("POST", "auth/token/lookup", None, &lookup).await.0, 200);
}

#[tokio::test]
async fn a_namespace_is_a_world_of_its_own() {
    let Some(server) = server::start().await else { return };
    server.post("sys/namespaces/team", json!({})).await;
    let engine = json!({ "type": "kv", "options": { "version": "2" } });
    let (status, answer) = server.ask("POST", "sys/mounts/keys", Some("team"), &engine).await;
    assert!(status < 300, "{answer}");
    let inside = || server.vault("bonafide").with_mount("keys").with_namespace("team");
    let (user, tenant, names) = alice();
    let owner = Owner::new(&user, &tenant);
    inside().build().unwrap().write(owner, &names[0], record(1)).await.unwrap();
    let read = inside().build().unwrap().read(owner, &names).await.unwrap();
    assert_eq!(read, [Some(record(1))]);
    // The same mount is not there outside, and that is an error.
    let outside = server.vault("bonafide").with_mount("keys").build().unwrap();
    assert!(outside.read(owner, &names).await.is_err());
    let outside = server.vault("bonafide").build().unwrap();
    assert_eq!(outside.read(owner, &names).await.unwrap(), [None]);
}

#[tokio::test]
async fn refuses_what_is_not_version_2_and_tokens_that_are_not_valid() {
    let Some(server) = server::start().await else { return };
    server.post("sys/mounts/old", json!({ "type": "kv", "options": { "version": "1" } })).await;
    let (user, tenant, names) = alice();
    let owner = Owner::new(&user, &tenant);
    let old = server.vault("bonafide").with_mount("old").build().unwrap();
    let error = old.write(owner, &names[0], record(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    let wrong = OpenBaoVault::builder(&server.address, Credentials::token(CANARY.into()));
    let wrong = wrong.build().unwrap();
    let error = wrong.read(owner, &names).await.unwrap_err();
    let said = format!("{error:?}");
    assert!(said.contains("403") && !said.contains(CANARY), "{said}");
    // Something else below the path is not passed over.
    let vault = server.vault("bonafide").build().unwrap();
    server.post("secret/data/bonafide/a b", json!({ "data": { "x": "y" } })).await;
    assert!(matches!(vault.scan(None, 10).await, Err(StoreError::Damaged { .. })));
}

/// What a log with everything in it would show.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn values_keys_and_tokens_are_at_the_server_only_if_sealing_is_off_and_in_no_log() {
    let Some(server) = server::start().await else { return };
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing_subscriber::util::SubscriberInitExt::set_default(subscriber);
    let (permit, name) = (permit(), "TOKEN".parse::<SecretName>().unwrap());
    let names = [name];
    let open = |path: &str| {
        let vault = server.vault(path).with_cached_owners(0).build().unwrap();
        SecretStore::new(Arc::new(vault), keyring())
    };
    let sealed = open("sealed");
    let plain = open("plain").dangerous_without_sealing();
    let mut texts = Vec::new();
    for (path, store) in [("sealed", &sealed), ("plain", &plain)] {
        let vault = store.open(&permit);
        vault.write(&names[0], SecretString::from(CANARY)).await.unwrap();
        let read = vault.read(&names).await.unwrap();
        assert_eq!(read.get(0).unwrap().expose_secret(), CANARY);
        assert!(vault.mark_refused(&names[0], read.envelope(0).unwrap()).await.unwrap());
        let (status, answer) = server.get(&format!("secret/data/{path}/{ALICE}")).await;
        assert_eq!(status, 200);
        assert_eq!(answer.to_string().contains(CANARY), path == "plain", "{path}");
        texts.push(format!("{store:?} {read:?} {:?}", vault.status(&names).await.unwrap()));
    }
    let mut export = Vec::new();
    let (vault, sealer) = (&**sealed.vault(), sealed.sealer());
    admin::export(vault, &mut export, None, |_| {}).await.unwrap();
    texts.push(String::from_utf8(export).unwrap());
    assert!(admin::verify(vault, &sealer, |_| {}).await.unwrap().is_good());
    assert!(admin::export(&**plain.vault(), &mut Vec::new(), None, |_| {}).await.is_err());
    // What somebody typed at the server is read where sealing is off, and refused where it is on.
    for (path, store) in [("sealed", &sealed), ("plain", &plain)] {
        let (_, metadata) = server.get(&format!("secret/metadata/{path}/{ALICE}")).await;
        let typed = json!({
            "options": { "cas": metadata["data"]["current_version"] },
            "data": { "TOKEN": CANARY },
        });
        server.post(&format!("secret/data/{path}/{ALICE}"), typed).await;
        let read = store.open(&permit).read(&names).await;
        texts.push(format!("{read:?}"));
        assert_eq!(read.is_ok(), path == "plain");
    }
    texts.push(String::from_utf8(log.0.lock().unwrap().clone()).unwrap());
    assert!(texts.last().unwrap().contains("/v1/") || !texts.last().unwrap().is_empty());
    for text in texts {
        assert!(!text.contains(CANARY) && !text.contains(server::ROOT), "{text}");
    }
}

#[tokio::test]
async fn a_server_that_goes_away_is_an_error_and_not_an_empty_entry() {
    let Some(server) = server::start().await else { return };
    let vault = server.vault("bonafide").with_cached_owners(0).build().unwrap();
    let (user, tenant, names) = alice();
    let owner = Owner::new(&user, &tenant);
    vault.write(owner, &names[0], record(1)).await.unwrap();
    drop(server);
    let error = vault.read(owner, &names).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
}
