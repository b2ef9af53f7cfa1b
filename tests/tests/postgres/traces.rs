//! Values are looked for in everything that a vault leaves at the server. They are nowhere.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bonafide_policy::{Permit, Policy, Rule};
use bonafide_testkit::Issuer;
use bonafide_vault::{
    Keyring, MasterKey, OpenError, SecretName, SecretStore, Vault, VaultError, admin,
};
use secrecy::{ExposeSecret, SecretString};

use crate::server::{Server, connect, postgres, succeed};

const CANARY: &str = "canary-7f3a91";
const PASSWORD: &str = "canary-password-5521";

fn permit() -> Permit {
    let user = Issuer::new("https://idp.example").user("alice").with_groups(["staff"]).verified();
    let rule = Rule::allow("staff").with_groups(["staff"]).with_tenants(["github"]);
    let policy = Policy::builder().with_rule(rule).build().unwrap();
    policy.permit(&user, &"github".parse().unwrap()).unwrap()
}

/// The text as it is, and in the two ways in which PostgreSQL writes bytes.
fn is_in(haystack: &[u8], text: &str) -> bool {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let found = |what: &str| memchr::memmem::find(haystack, what.as_bytes()).is_some();
    found(text) || found(&hex) || found(&hex.to_uppercase())
}

fn files(directory: &Path) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if let Ok(bytes) = fs::read(&path) {
            found.push(bytes);
        }
    }
    found
}

pub(crate) async fn values_and_keys_are_in_no_dump_and_no_log(_: &Server) {
    // Its own, so that its log is about this alone.
    let server = Server::start();
    let url = server.database().await;
    let with_password = url.replace("postgres@", &format!("postgres:{PASSWORD}@"));
    let vault = Arc::new(postgres(&with_password).vault());
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

    // Somebody who can write to the table, and errors about rows that PostgreSQL quotes in its log.
    let sql = connect(&url).await;
    sql.batch_execute(
        "UPDATE bonafide.secrets SET envelope = set_byte(envelope, 40, get_byte(envelope, 40) # 1)
         WHERE name = 'NAME_7'",
    )
    .await
    .unwrap();
    sql.batch_execute("ALTER TABLE bonafide.secrets ADD CHECK (name <> 'NAME_8') NOT VALID")
        .await
        .unwrap();
    let broken: SecretName = "NAME_8".parse().unwrap();
    let error = store.open(&permit).write(&broken, SecretString::from(CANARY)).await.unwrap_err();
    let refused = format!("{error} {error:?}");
    assert!(refused.contains("23514") && !refused.contains("Failing row"), "{refused}");
    let fresh = SecretStore::new(Arc::new(postgres(&url).vault()), Keyring::new(&new).unwrap());
    let altered = fresh.open(&permit).read(&names[7..8]).await.unwrap_err();
    let sealed = matches!(&altered, VaultError::Sealed { source: OpenError::Refused, .. });
    assert!(sealed, "{altered:?}");

    let mut dump = server.program("pg_dump");
    let dump = succeed(
        dump.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &server.port.to_string()])
            .arg(url.rsplit('/').next().unwrap()),
    );
    sql.batch_execute("CHECKPOINT").await.unwrap();
    let log = server.log();
    let left = files(&server.data());
    // The name is stored as it is, so that the search finds what there is to find.
    for place in [&*dump, log.as_bytes()] {
        assert!(is_in(place, "NAME_7"));
    }
    assert!(left.iter().any(|file| is_in(file, "NAME_7")));
    assert!(log.contains("INSERT INTO bonafide.secrets"), "the log has no statements");
    let keys = [old.to_base64(), new.to_base64()];
    for what in [CANARY, PASSWORD, keys[0].expose_secret(), keys[1].expose_secret()] {
        assert!(!is_in(&dump, what) && !is_in(log.as_bytes(), what));
        assert!(left.iter().all(|file| !is_in(file, what)));
    }
    let list = store.open(&permit).list().await.unwrap();
    let rows = vault.scan(None, 100).await.unwrap();
    let shown = format!("{vault:?} {store:?} {read:?} {list:?} {rows:?} {refused} {altered:?}");
    assert!(!shown.contains("canary") && !shown.contains("alice"), "{shown}");
}
