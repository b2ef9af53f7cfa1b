//! The file: who may use it, what it may be, and what it still holds tomorrow.

#![expect(clippy::unwrap_used, reason = "a failing test stops there")]

use std::fs;
use std::sync::Arc;

use bonafide_claims::UserId;
use bonafide_policy::TenantId;
use bonafide_sqlite::{OpenError, SqliteVault};
use bonafide_vault::{Envelope, Owner, Record, SecretName, Vault};

fn alice() -> (UserId, TenantId, SecretName) {
    let user = UserId::new("https://idp.example".parse().unwrap(), None, "alice".parse().unwrap());
    (user, "github".parse().unwrap(), "TOKEN".parse().unwrap())
}

fn record(byte: u8) -> Record {
    Record::new(Envelope::from_bytes([byte; 64]), 1_700_000_000)
}

#[tokio::test]
async fn keeps_what_was_written_when_it_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    let (user, tenant, name) = alice();
    let owner = Owner::new(&user, &tenant);
    let vault = SqliteVault::open(&path).unwrap();
    vault.write(owner, &name, record(1)).await.unwrap();
    drop(vault);
    let vault = SqliteVault::open(&path).unwrap();
    let read = vault.read(owner, &[name]).await.unwrap();
    assert_eq!(read, [Some(record(1))]);
}

#[tokio::test]
async fn two_vaults_on_one_file_see_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    let open = || SqliteVault::builder(&path).with_staleness(std::time::Duration::ZERO).open();
    let (ours, theirs) = (Arc::new(open().unwrap()), open().unwrap());
    let (user, tenant, name) = alice();
    let owner = Owner::new(&user, &tenant);
    let names = [name];
    for byte in 0..100 {
        let (writer, reader) = if byte % 3 == 0 { (&theirs, &*ours) } else { (&*ours, &theirs) };
        writer.write(owner, &names[0], record(byte)).await.unwrap();
        for vault in [reader, writer] {
            assert_eq!(vault.read(owner, &names).await.unwrap(), [Some(record(byte))], "{byte}");
        }
    }
    assert_eq!(theirs.remove_user(&user).await.unwrap(), 1);
    assert_eq!(ours.read(owner, &names).await.unwrap(), [None]);
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_use_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    let (user, tenant, name) = alice();
    let vault = SqliteVault::open(&path).unwrap();
    vault.write(Owner::new(&user, &tenant), &name, record(1)).await.unwrap();
    let mut seen = 0;
    for file in fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.file_name());
        seen += 1;
    }
    assert_eq!(seen, 3, "the database, its log and the log's index");
    drop(vault);
    for mode in [0o640, 0o604, 0o660, 0o644] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = SqliteVault::open(&path).unwrap_err();
        assert!(matches!(error, OpenError::Permissions { mode: found, .. } if found == mode));
    }
}

#[test]
fn refuses_what_is_not_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let refused = |path: &std::path::Path| SqliteVault::open(path).unwrap_err();
    assert!(matches!(refused(directory.path()), OpenError::File { .. }));
    assert!(matches!(refused(&directory.path().join("a/b")), OpenError::File { .. }));
    assert!(matches!(refused("".as_ref()), OpenError::File { .. }));
    fs::write(&path, "not a database ".repeat(1000)).unwrap();
    private(&path);
    assert!(matches!(refused(&path), OpenError::Damaged), "{:?}", refused(&path));
}

fn private(path: &std::path::Path) {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}
