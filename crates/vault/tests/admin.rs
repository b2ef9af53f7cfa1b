//! What an operator does with a whole store, and what goes wrong then.

#![expect(clippy::unwrap_used, reason = "a failing test stops there")]

use std::fs::{self, OpenOptions};
use std::io::{self, BufReader, Write};

use bonafide_claims::UserId;
use bonafide_vault::admin::{
    self, ExistingFile, ExportPosition, ImportReport, TransferError, export_position, import,
    verify,
};
use bonafide_vault::{Keyring, MasterKey, MemoryVault, Owner, Record, Sealer, SecretName, Vault};
use secrecy::SecretString;

fn sealer() -> Sealer {
    Sealer::new(Keyring::new(&MasterKey::generate().unwrap()).unwrap())
}

fn user(number: usize) -> UserId {
    let subject = format!("user {number:04}").parse().unwrap();
    UserId::new("https://idp.example".parse().unwrap(), None, subject)
}

fn token() -> SecretName {
    "TOKEN".parse().unwrap()
}

async fn write(vault: &dyn Vault, sealer: &Sealer, number: usize) {
    let (user, tenant, value) =
        (user(number), "github".parse().unwrap(), SecretString::from("canary"));
    let owner = Owner::new(&user, &tenant);
    let sealed = sealer.seal(owner, &token(), &value).unwrap();
    vault.write(owner, &token(), Record::new(sealed, 7)).await.unwrap();
}

async fn filled(sealer: &Sealer, rows: usize) -> MemoryVault {
    let vault = MemoryVault::new();
    for number in 0..rows {
        write(&vault, sealer, number).await;
    }
    vault
}

async fn exported(vault: &MemoryVault) -> Vec<u8> {
    let mut file = Vec::new();
    admin::export(vault, &mut file, None, |_| {}).await.unwrap();
    file
}

/// Fails when it is full, as a disk does.
struct Disk {
    bytes: Vec<u8>,
    room: usize,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(self.room - self.bytes.len());
        self.bytes.extend(bytes.iter().take(len));
        if len == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(len) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_export_that_was_broken_off_anywhere_goes_on() {
    let sealer = sealer();
    let vault = filled(&sealer, 4).await;
    let whole = exported(&vault).await;
    for room in 0..whole.len() {
        let mut disk = Disk { bytes: Vec::new(), room };
        let error = admin::export(&vault, &mut disk, None, |_| {}).await.unwrap_err();
        assert!(matches!(error, TransferError::Io(_)), "{error:?}");
        let position = export_position(&*disk.bytes).unwrap();
        let mut file = disk.bytes;
        file.truncate(usize::try_from(position.len).unwrap());
        admin::export(&vault, &mut file, Some(position), |_| {}).await.unwrap();
        assert!(file == whole, "broken off after {room} bytes");
    }
    let ExportPosition { rows, .. } = export_position(&*whole).unwrap();
    assert_eq!(rows, 4, "the end is left out, so that an export can be brought up to date");
}

#[tokio::test]
async fn an_import_that_ends_too_early_says_so_and_keeps_what_there_was() {
    let sealer = sealer();
    let whole = exported(&filled(&sealer, 20).await).await;
    let lines: Vec<_> = whole.split_inclusive(|&byte| byte == b'\n').collect();
    for len in 0..lines.len() {
        let (there, cut) =
            (MemoryVault::new(), lines.iter().take(len).copied().collect::<Vec<_>>());
        let error = import(&there, &sealer, &*cut.concat(), |_| {}).await.unwrap_err();
        let TransferError::Truncated { rows } = error else { panic!("{error:?}") };
        assert_eq!(rows, len.saturating_sub(1) as u64);
        assert_eq!(there.scan(None, 100).await.unwrap().len() as u64, rows);
        // Started again with the whole file.
        let report = import(&there, &sealer, &*whole, |_| {}).await.unwrap();
        assert_eq!((report.imported, report.same), (20 - rows, rows));
    }
    // A row that somebody took out.
    let without: Vec<_> = lines.iter().enumerate().filter(|(at, _)| *at != 5).collect();
    let without: Vec<u8> = without.into_iter().flat_map(|(_, line)| line.to_vec()).collect();
    let error = import(&MemoryVault::new(), &sealer, &*without, |_| {}).await.unwrap_err();
    assert!(matches!(error, TransferError::Truncated { rows: 19 }), "{error:?}");
}

#[tokio::test]
async fn an_import_takes_only_what_opens() {
    let sealer = sealer();
    let whole = exported(&filled(&sealer, 20).await).await;
    let other = MemoryVault::new();
    let report = import(&other, &self::sealer(), &*whole, |_| {}).await.unwrap();
    assert_eq!((report.imported, report.refused), (0, 20));
    assert!(other.scan(None, 1).await.unwrap().is_empty());
    // Two users who exchanged their rows in the file.
    let swapped = String::from_utf8(whole).unwrap();
    let swapped = swapped.replace("user 0003", "user x").replace("user 0004", "user 0003");
    let swapped = swapped.replace("user x", "user 0004");
    let report = import(&other, &sealer, swapped.as_bytes(), |_| {}).await.unwrap();
    assert_eq!((report.imported, report.refused), (18, 2));
}

#[tokio::test]
async fn an_import_refuses_lines_that_are_none() {
    let sealer = sealer();
    let whole = String::from_utf8(exported(&filled(&sealer, 3).await).await).unwrap();
    let too_long = format!("{}\n", "x".repeat(300_000));
    for (wrong, line, kept) in [
        (whole.replacen("_export\":2", "_export\":3", 1), 1, 0),
        (whole.replacen("bonafide_vault", "other", 1), 1, 0),
        ("canary\n".to_owned(), 1, 0),
        (too_long, 1, 0),
        (whole.replacen("\"user 0001\"", "\"\"", 1), 3, 1),
        (whole.replacen("\"user 0001\"", "7", 1), 3, 1),
        (whole.replacen("\"user 0001\"", "\"u\",\"subject\":\"canary\"", 1), 3, 1),
        (whole.replacen("\"user 0001\"", "\"u\",\"canary\":\"\"", 1), 3, 1),
        (whole.replacen("TOKEN", "NOT-A-NAME", 2), 2, 0),
        (format!("{whole}{whole}"), 6, 3),
    ] {
        let there = MemoryVault::new();
        let result = import(&there, &sealer, wrong.as_bytes(), |_| {}).await;
        if line == 6 {
            // What is behind the end is not read.
            assert_eq!(result.unwrap().imported, kept);
            continue;
        }
        let error = result.unwrap_err();
        let TransferError::Line { line: found, .. } = error else { panic!("{error:?}") };
        assert_eq!(found, line);
        assert!(!format!("{error} {error:?}").contains("canary"));
        assert_eq!(there.scan(None, 10).await.unwrap().len() as u64, kept);
    }
}

#[tokio::test]
async fn goes_on_with_nothing_but_an_export() {
    let directory = tempfile::tempdir().unwrap();
    let vault = filled(&sealer(), 3).await;
    let path = directory.path().join("export");
    let go_on = || admin::export_to_file(&vault, &path, ExistingFile::GoOn, |_| {});
    assert_eq!(go_on().await.unwrap().rows, 3);
    let whole = fs::read(&path).unwrap();
    // Cut off before, in and at the end of the first line.
    for len in [0, 1, whole.iter().position(|byte| *byte == b'\n').unwrap()] {
        OpenOptions::new().write(true).open(&path).unwrap().set_len(len as u64).unwrap();
        assert_eq!(go_on().await.unwrap().rows, 3, "{len}");
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
    for other in ["a token without the end of its line", "{", "{\"bonafide_vault_export\":2} "] {
        fs::write(&path, other).unwrap();
        let result = go_on().await;
        if other == "{" {
            result.unwrap();
            continue;
        }
        assert!(matches!(result, Err(TransferError::NotAnExport { .. })), "{other}: {result:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), other);
    }
}

/// As the first version wrote it: without the times that came later.
#[tokio::test]
async fn reads_an_export_of_version_1_and_does_not_go_on_with_it() {
    let sealer = sealer();
    let vault = filled(&sealer, 3).await;
    let whole = String::from_utf8(exported(&vault).await).unwrap();
    let first = whole.replacen("_export\":2", "_export\":1", 1);
    let there = MemoryVault::new();
    let report = import(&there, &sealer, first.as_bytes(), |_| {}).await.unwrap();
    assert_eq!(report.imported, 3);
    assert_eq!(there.scan(None, 10).await.unwrap(), vault.scan(None, 10).await.unwrap());
    let error = export_position(first.as_bytes()).unwrap_err();
    assert!(matches!(error, TransferError::Line { line: 1, .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_known_about_a_secret_survives_a_rewrap_and_a_move() {
    let (old, new) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
    let before = Sealer::new(Keyring::new(&old).unwrap());
    let after = Sealer::new(Keyring::new(&new).unwrap().with_older(&old).unwrap());
    let vault = MemoryVault::new();
    let (user, tenant) = (user(0), "github".parse().unwrap());
    let owner = Owner::new(&user, &tenant);
    let sealed = before.seal(owner, &token(), &SecretString::from("canary")).unwrap();
    let record = Record::new(sealed, 7).with_expiry(Some(8)).with_refusal(Some(9));
    vault.write(owner, &token(), record).await.unwrap();
    assert_eq!(admin::rewrap(&vault, &after, |_| {}).await.unwrap().rewrapped, 1);
    let there = MemoryVault::new();
    import(&there, &after, &*exported(&vault).await, |_| {}).await.unwrap();
    for store in [&vault, &there] {
        let (_, record) = store.scan(None, 1).await.unwrap().remove(0);
        assert_eq!(record.envelope().key_id(), new.id().ok());
        let times = (record.expires_unix_seconds(), record.refused_unix_seconds());
        assert_eq!((record.unix_seconds(), times), (7, (Some(8), Some(9))));
    }
}

#[tokio::test]
async fn verify_counts_by_key_and_shows_nothing() {
    let (old, new) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
    let (old_id, new_id) = (old.id().unwrap(), new.id().unwrap());
    let before = Sealer::new(Keyring::new(&old).unwrap());
    let after = Sealer::new(Keyring::new(&new).unwrap().with_older(&old).unwrap());
    let vault = filled(&before, 600).await;
    for number in 0..100 {
        write(&vault, &after, number).await;
    }
    let mut pages = 0;
    let report = verify(&vault, &after, |_| pages += 1).await.unwrap();
    assert!(report.is_good() && pages > 2);
    assert_eq!(report.opened.iter().collect::<Vec<_>>().len(), 2);
    assert_eq!((report.opened[&old_id], report.opened[&new_id]), (500, 100));

    let only_new = Sealer::new(Keyring::new(&new).unwrap());
    let report = verify(&vault, &only_new, |_| {}).await.unwrap();
    assert_eq!((report.unknown_key[&old_id], report.opened[&new_id]), (500, 100));
    assert!(!report.is_good());
    // Without the old key, nothing is sealed again, and nothing is lost.
    let rewrapped = admin::rewrap(&vault, &only_new, |_| {}).await.unwrap();
    assert_eq!((rewrapped.rewrapped, rewrapped.refused, rewrapped.current), (0, 500, 100));
    assert!(!rewrapped.is_complete());
    let rewrapped = admin::rewrap(&vault, &after, |_| {}).await.unwrap();
    assert_eq!((rewrapped.rewrapped, rewrapped.refused, rewrapped.current), (500, 0, 100));
    assert!(verify(&vault, &only_new, |_| {}).await.unwrap().is_good());
    // When it was set is not when it was sealed again.
    let rows = vault.scan(None, 1000).await.unwrap();
    assert!(rows.iter().all(|(_, record)| record.unix_seconds() == 7));
}

#[tokio::test]
async fn an_empty_store_is_carried_over_too() {
    let file = exported(&MemoryVault::new()).await;
    let report = import(&MemoryVault::new(), &sealer(), BufReader::new(&*file), |_| {}).await;
    assert_eq!(report.unwrap(), ImportReport::default());
}
