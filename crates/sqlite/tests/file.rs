//! The file: who may use it, what it may be, and what it still holds tomorrow.

#![expect(clippy::unwrap_used, reason = "a failing test stops there")]

use std::fs;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bonafide_claims::UserId;
use bonafide_policy::TenantId;
use bonafide_sqlite::{OpenError, SqliteVault};
use bonafide_vault::{Envelope, Owner, Record, SecretName, StoreError, Vault};
use rusqlite::Connection;

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
    let open = || SqliteVault::builder(&path).with_staleness(Duration::ZERO).open();
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
    assert!(matches!(refused(directory.path()), OpenError::NotAFile { .. }));
    assert!(matches!(refused(&directory.path().join("a/b")), OpenError::File { .. }));
    assert!(matches!(refused("".as_ref()), OpenError::File { .. }));
    fs::write(&path, "not a database ".repeat(1000)).unwrap();
    private(&path);
    assert!(matches!(refused(&path), OpenError::Damaged), "{:?}", refused(&path));
}

/// Opening a file a second time must not drop the locks of the first: another process would take the log for
/// abandoned, and remove it with what is in it.
#[cfg(target_os = "linux")]
#[test]
fn opening_again_keeps_the_locks_of_this_process() {
    use std::os::unix::fs::MetadataExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    let locks = || {
        let inode = format!(":{} ", fs::metadata(&path).unwrap().ino());
        let pid = format!(" {} ", std::process::id());
        let locks = fs::read_to_string("/proc/locks").unwrap();
        locks.lines().filter(|line| line.contains(&inode) && line.contains(&pid)).count()
    };
    let first = SqliteVault::open(&path).unwrap();
    let before = locks();
    if before == 0 {
        println!("SKIPPED: this system does not show locks");
        return;
    }
    let second = SqliteVault::open(&path).unwrap();
    assert_eq!(locks(), before, "locks are lost while both are open");
    drop(second);
    assert_eq!(locks(), before, "locks are lost when one is closed");
    drop(first);
}

#[test]
fn refuses_the_database_of_something_else_and_leaves_it_alone() {
    let directory = tempfile::tempdir().unwrap();
    for (name, statement) in [
        ("table.db", "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)"),
        ("application.db", "PRAGMA application_id = 7"),
        ("both.db", "PRAGMA application_id = 7; CREATE TABLE secrets (x)"),
    ] {
        let path = directory.path().join(name);
        Connection::open(&path).unwrap().execute_batch(statement).unwrap();
        private(&path);
        let before = fs::read(&path).unwrap();
        assert!(matches!(SqliteVault::open(&path), Err(OpenError::Foreign)), "{name}");
        assert_eq!(fs::read(&path).unwrap(), before, "{name}");
    }
}

#[test]
fn refuses_a_file_from_the_future() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    drop(SqliteVault::open(&path).unwrap());
    for version in [6, 1_000_000, -1] {
        let file = Connection::open(&path).unwrap();
        file.pragma_update(None, "user_version", version).unwrap();
        drop(file);
        let error = SqliteVault::open(&path).unwrap_err();
        assert!(matches!(error, OpenError::Newer { known: 5, .. }), "{version}: {error:?}");
    }
}

/// A file as the first version left it.
#[tokio::test]
async fn brings_a_file_of_version_1_up_to_date() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    let file = Connection::open(&path).unwrap();
    file.execute_batch(
        "PRAGMA journal_mode = WAL;
         CREATE TABLE secrets (
            issuer       TEXT NOT NULL,
            directory    TEXT NOT NULL,
            subject      TEXT NOT NULL,
            tenant       TEXT NOT NULL,
            name         TEXT NOT NULL,
            envelope     BLOB NOT NULL,
            unix_seconds INTEGER NOT NULL,
            PRIMARY KEY (issuer, directory, subject, tenant, name)
         ) STRICT, WITHOUT ROWID;
         PRAGMA application_id = 0x626f6e61;
         PRAGMA user_version = 1;",
    )
    .unwrap();
    file.execute(
        "INSERT INTO secrets VALUES ('https://idp.example', '', 'alice', 'github', 'TOKEN', ?1, ?2)",
        (&[1_u8; 64][..], 1_700_000_000),
    )
    .unwrap();
    drop(file);
    private(&path);
    let (user, tenant, name) = alice();
    let owner = Owner::new(&user, &tenant);
    let marked = record(1).with_expiry(Some(1_800_000_000)).with_refusal(Some(1_700_000_001));
    for expected in [record(1), marked.clone()] {
        let vault = SqliteVault::open(&path).unwrap();
        let read = vault.read(owner, std::slice::from_ref(&name)).await.unwrap();
        assert_eq!(read, [Some(expected)]);
        vault.write(owner, &name, marked.clone()).await.unwrap();
    }
}

#[tokio::test]
async fn notices_damage_when_it_opens() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    let vault = SqliteVault::open(&path).unwrap();
    let (user, tenant, _) = alice();
    let owner = Owner::new(&user, &tenant);
    for number in 0..200_u8 {
        let name = format!("NAME_{number}").parse().unwrap();
        vault.write(owner, &name, record(number)).await.unwrap();
    }
    drop(vault);
    let mut bytes = fs::read(&path).unwrap();
    let (from, to) = (4096 * 2, 4096 * 3);
    bytes[from..to].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    assert!(matches!(SqliteVault::open(&path), Err(OpenError::Damaged)));
}

#[test]
fn many_may_open_a_new_file_at_once() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..10 {
        let path = directory.path().join(format!("{round}.db"));
        std::thread::scope(|scope| {
            let opened: Vec<_> =
                (0..8).map(|_| scope.spawn(|| SqliteVault::open(&path).map(drop))).collect();
            for opened in opened {
                opened.join().unwrap().unwrap();
            }
        });
    }
}

/// As an administrator's command does that changes much at once.
#[tokio::test]
async fn waits_for_another_process_to_finish_its_change_and_reads_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    let vault = Arc::new(SqliteVault::builder(&path).with_cached_owners(0).open().unwrap());
    let (user, tenant, name) = alice();
    vault.write(Owner::new(&user, &tenant), &name, record(1)).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE; UPDATE secrets SET unix_seconds = 5").unwrap();
    let waiting = tokio::spawn({
        let (vault, user, tenant, name) =
            (Arc::clone(&vault), user.clone(), tenant.clone(), name.clone());
        async move { vault.write(Owner::new(&user, &tenant), &name, record(2)).await }
    });
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let read =
            vault.read(Owner::new(&user, &tenant), std::slice::from_ref(&name)).await.unwrap();
        assert_eq!(read, [Some(record(1))]);
    }
    assert!(!waiting.is_finished());
    other.execute_batch("COMMIT").unwrap();
    waiting.await.unwrap().unwrap();
    let read = vault.read(Owner::new(&user, &tenant), &[name]).await.unwrap();
    assert_eq!(read, [Some(record(2))]);
}

/// What another process changes is seen when the staleness that was allowed is over, and not much later.
#[tokio::test]
async fn changes_elsewhere_are_seen_within_the_staleness() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    let vault = SqliteVault::builder(&path).with_staleness(Duration::from_millis(50)).open();
    let (vault, other) = (vault.unwrap(), SqliteVault::open(&path).unwrap());
    let (user, tenant, name) = alice();
    let (owner, names) = (Owner::new(&user, &tenant), [name]);
    let jira = "jira".parse().unwrap();
    for round in 0..10 {
        vault.read(owner, &names).await.unwrap();
        other.write(owner, &names[0], record(round)).await.unwrap();
        // A change of our own, to something else, does not hide theirs.
        vault.write(Owner::new(&user, &jira), &names[0], record(round)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert_eq!(vault.read(owner, &names).await.unwrap(), [Some(record(round))], "{round}");
    }
}

/// Who is read once does not take the place of one who is read again and again.
#[tokio::test]
async fn the_second_read_is_the_one_that_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    // What another changes in the file shows what comes from the file: the cache is believed for an hour.
    let vault = SqliteVault::builder(&path).with_staleness(Duration::from_secs(3600)).open();
    let (vault, other) = (vault.unwrap(), SqliteVault::open(&path).unwrap());
    let (user, tenant, name) = alice();
    let (owner, names) = (Owner::new(&user, &tenant), [name]);
    for (round, seen) in [(1, 1), (2, 2), (3, 2), (4, 2)] {
        other.write(owner, &names[0], record(round)).await.unwrap();
        assert_eq!(vault.read(owner, &names).await.unwrap(), [Some(record(seen))], "{round}");
    }
    // A change of our own is seen at once all the same.
    vault.write(owner, &names[0], record(5)).await.unwrap();
    assert_eq!(vault.read(owner, &names).await.unwrap(), [Some(record(5))]);
}

#[tokio::test]
async fn a_damaged_row_is_in_nobodys_way_but_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    let vault = SqliteVault::open(&path).unwrap();
    let (user, tenant, name) = alice();
    let (owner, damaged) = (Owner::new(&user, &tenant), "DAMAGED".parse().unwrap());
    vault.write(owner, &name, record(1)).await.unwrap();
    vault.write(owner, &damaged, record(2)).await.unwrap();
    let sql = rusqlite::Connection::open(&path).unwrap();
    sql.execute_batch("PRAGMA ignore_check_constraints = 1").unwrap();
    sql.execute("UPDATE secrets SET unix_seconds = -1 WHERE name = 'DAMAGED'", []).unwrap();
    for _ in 0..4 {
        let read = vault.read(owner, std::slice::from_ref(&name)).await.unwrap();
        assert_eq!(read, [Some(record(1))]);
        let error = vault.read(owner, std::slice::from_ref(&damaged)).await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    }
}

#[tokio::test]
async fn queued_changes_are_made_before_it_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bonafide.db");
    let vault = SqliteVault::open(&path).unwrap();
    let (user, tenant, _) = alice();
    for number in 0..100_u8 {
        let name = format!("NAME_{number}").parse().unwrap();
        let mut write = vault.write(Owner::new(&user, &tenant), &name, record(number));
        let polled = std::future::poll_fn(|context| Poll::Ready(write.as_mut().poll(context)));
        drop(polled.await);
    }
    drop(vault);
    let vault = SqliteVault::open(&path).unwrap();
    assert_eq!(vault.list(Owner::new(&user, &tenant)).await.unwrap().len(), 100);
}

fn private(path: &std::path::Path) {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}
