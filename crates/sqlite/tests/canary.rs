//! Values are looked for in everything that a vault leaves behind. They are nowhere.

#![expect(clippy::unwrap_used, reason = "a failing test stops there")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bonafide_policy::{Permit, Policy, Rule};
use bonafide_sqlite::SqliteVault;
use bonafide_testkit::Issuer;
use bonafide_vault::admin::ExistingFile;
use bonafide_vault::{Keyring, MasterKey, SecretName, SecretStore, Vault, admin};
use secrecy::{ExposeSecret, SecretString};

const CANARY: &str = "canary-7f3a91";

fn permit() -> Permit {
    let user = Issuer::new("https://idp.example").user("alice").with_groups(["staff"]).verified();
    let rule = Rule::allow("staff").with_groups(["staff"]).with_tenants(["github"]);
    let policy = Policy::builder().with_rule(rule).build().unwrap();
    policy.permit(&user, &"github".parse().unwrap()).unwrap()
}

fn found(directory: &Path, what: &[u8]) -> Vec<String> {
    let files = fs::read_dir(directory).unwrap().map(|file| file.unwrap());
    let holds = |bytes: Vec<u8>| bytes.windows(what.len()).any(|part| part == what);
    let holding = files.filter(|file| holds(fs::read(file.path()).unwrap()));
    holding.map(|file| file.file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn values_and_keys_are_in_no_file_and_no_text() {
    let directory = tempfile::tempdir().unwrap();
    let vault = Arc::new(SqliteVault::open(directory.path().join("bonafide.db")).unwrap());
    let (old, new) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
    let store = SecretStore::new(Arc::clone(&vault) as Arc<dyn Vault>, Keyring::new(&old).unwrap());
    let permit = permit();
    let names: Vec<SecretName> = (0..50).map(|n| format!("NAME_{n}").parse().unwrap()).collect();
    for name in &names {
        store.open(&permit).write(name, SecretString::from(CANARY)).await.unwrap();
    }
    store.replace_keyring(Keyring::new(&new).unwrap().with_older(&old).unwrap());
    admin::rewrap(&*vault, &store.sealer(), |_| {}).await.unwrap();
    let read = store.open(&permit).read(&names).await.unwrap();
    assert_eq!(read.get(0).unwrap().expose_secret(), CANARY);
    // Everything else that an operator does and that leaves something behind.
    assert!(store.open(&permit).mark_refused(&names[0], read.envelope(0).unwrap()).await.unwrap());
    let export = directory.path().join("vault.export");
    admin::export_to_file(&*vault, &export, ExistingFile::Refuse, |_| {}).await.unwrap();
    let dump = rusqlite::Connection::open(directory.path().join("bonafide.db")).unwrap();
    dump.execute("VACUUM INTO ?1", [directory.path().join("copy.db").to_str().unwrap()]).unwrap();
    let stranger = Keyring::new(&MasterKey::generate().unwrap()).unwrap();
    let refused = SecretStore::new(Arc::clone(&vault) as Arc<dyn Vault>, stranger);
    let error = refused.open(&permit).read(&names).await.unwrap_err();
    let report = admin::verify(&*vault, &store.sealer(), |_| {}).await.unwrap();

    // The name is stored as it is, so that the search finds what there is to find: in the log before a checkpoint, in the
    // export and in the copy.
    let files = found(directory.path(), b"NAME_7");
    for file in ["bonafide.db-wal", "vault.export", "copy.db"] {
        assert!(files.iter().any(|found| found == file), "{file} is not among {files:?}");
    }
    let keys = [old.to_base64(), new.to_base64()];
    for what in [CANARY, keys[0].expose_secret(), keys[1].expose_secret()] {
        assert!(found(directory.path(), what.as_bytes()).is_empty());
    }
    let list = store.open(&permit).list().await.unwrap();
    let rows = vault.scan(None, 100).await.unwrap();
    let shown = format!(
        "{vault:?} {store:?} {read:?} {list:?} {rows:?} {error} {error:?} {report} {report:?}"
    );
    assert!(!shown.contains(CANARY) && !shown.contains("alice"), "{shown}");
}

/// Not even sealed: somebody may find the master key later.
#[tokio::test]
async fn what_was_removed_is_gone_from_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    let vault = Arc::new(SqliteVault::open(&path).unwrap());
    let keyring = Keyring::new(&MasterKey::generate().unwrap()).unwrap();
    let store = SecretStore::new(Arc::clone(&vault) as Arc<dyn Vault>, keyring);
    let permit = permit();
    let name: SecretName = "TOKEN".parse().unwrap();
    store.open(&permit).write(&name, SecretString::from(CANARY)).await.unwrap();
    let rows = vault.scan(None, 1).await.unwrap();
    let sealed = rows.first().unwrap().1.envelope().as_bytes().to_vec();
    drop((store, vault));
    assert_eq!(found(directory.path(), &sealed), ["bonafide.db"]);

    let vault = SqliteVault::open(&path).unwrap();
    assert_eq!(vault.remove_user(permit.user().id()).await.unwrap(), 1);
    drop(vault);
    assert!(found(directory.path(), &sealed).is_empty());
}
