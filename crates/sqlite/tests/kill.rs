//! A process that is killed with SIGKILL while it writes and seals again: afterwards every secret is the old or
//! the new value, and opens.
//!
//! Runs 40 times; `BONAFIDE_KILLS=1000` runs a thousand times, and `.ci/run` 250. What it cannot show is a loss of
//! power: SIGKILL takes the process and leaves the system's page cache.

#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failing test stops there")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bonafide_claims::UserId;
use bonafide_policy::TenantId;
use bonafide_sqlite::SqliteVault;
use bonafide_vault::{Keyring, MasterKey, Owner, Record, Sealer, SecretName, Vault, admin};
use secrecy::{ExposeSecret, SecretString};

const ROWS: usize = 32;
const DIRECTORY: &str = "BONAFIDE_KILL_DIRECTORY";

#[test]
fn every_secret_is_old_or_new_after_a_kill() {
    let kills = std::env::var("BONAFIDE_KILLS").map_or(40, |kills| kills.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    for key in ["a", "b"] {
        let text = MasterKey::generate().unwrap().to_base64();
        let path = directory.path().join(key);
        std::fs::write(&path, text.expose_secret()).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
    }
    let mut random = Random::new();
    let mut acknowledged = [0; ROWS];
    let (mut changes, mut middle) = (0, 0);
    for kill in 0..kills {
        // Every other time somebody else has the file open, and has to get along with what is left of it.
        let other = (kill % 2 == 0).then(|| SqliteVault::open(database(directory.path())).unwrap());
        // A sync takes anything from some microseconds to some tens of milliseconds, so both at once: few
        // changes and many.
        let limit = if kill % 4 < 2 { 20_000 } else { 300_000 };
        let after = Duration::from_micros(random.below(limit));
        let (last, unfinished) = run_and_kill(directory.path(), after);
        changes += last.len();
        last.into_iter().for_each(|(row, round)| acknowledged[row] = round);
        middle += usize::from(unfinished);
        let vault = other.unwrap_or_else(|| SqliteVault::open(database(directory.path())).unwrap());
        block_on(check(&vault, directory.path(), &mut acknowledged));
    }
    println!("{kills} kills, {middle} with a rewrap begun, {changes} changes acknowledged");
    assert!(changes > 0, "no child came as far as a change");
    assert!(middle > 0, "no child came as far as a rewrap");
}

/// Runs a child until some time after its first sign of life. Gives what it acknowledged, and whether it had
/// begun to seal again.
fn run_and_kill(directory: &Path, after: Duration) -> (Vec<(usize, u64)>, bool) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while lines.next().unwrap().unwrap() != "ready" {}
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    let (mut acknowledged, mut rewrapping) = (Vec::new(), false);
    // What is still in the pipe was acknowledged before the kill. A last line without its end was not.
    for line in lines.map_while(Result::ok) {
        let Some(text) = line.strip_suffix(';') else { continue };
        match text.split_once(' ') {
            Some((row, round)) => {
                acknowledged.push((row.parse().unwrap(), round.parse().unwrap()));
            }
            None => rewrapping = true,
        }
    }
    (acknowledged, rewrapping)
}

async fn check(vault: &SqliteVault, directory: &Path, acknowledged: &mut [u64; ROWS]) {
    let sealer = Sealer::new(keyring(directory, 0));
    for (row, acknowledged) in acknowledged.iter_mut().enumerate() {
        let (user, tenant, name) = place(row);
        let owner = Owner::new(&user, &tenant);
        let read = vault.read(owner, std::slice::from_ref(&name)).await.unwrap();
        match &read[0] {
            Some(record) => {
                sealer.check(owner, &name, record.envelope()).unwrap();
                // The change in flight may have been made, and no other.
                let (round, last) = (record.unix_seconds(), *acknowledged);
                assert!(round == last || round == last + 1, "row {row}: {round} after {last}");
                *acknowledged = round;
            }
            None => assert_eq!(*acknowledged, 0, "row {row} is lost"),
        }
    }
    let report = admin::verify(vault, &sealer, |_| {}).await.unwrap();
    assert!(report.is_good(), "{report:?}");
}

/// Not a test: what the test above runs and kills.
#[test]
#[ignore = "run by the test above"]
fn child() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let vault = Arc::new(SqliteVault::open(database(&directory)).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    say("ready\n");
    runtime.block_on(async {
        let mut tasks = Vec::new();
        for task in 0..4 {
            let (vault, directory) = (Arc::clone(&vault), directory.clone());
            tasks.push(tokio::spawn(async move {
                for row in (task..ROWS).step_by(4).cycle() {
                    write_next(&vault, &directory, row).await;
                }
            }));
        }
        for newest in [0, 1].into_iter().cycle() {
            say("rewrap;\n");
            let sealer = Sealer::new(keyring(&directory, newest));
            admin::rewrap(&*vault, &sealer, |_| {}).await.unwrap();
        }
    });
}

async fn write_next(vault: &SqliteVault, directory: &Path, row: usize) {
    let (user, tenant, name) = place(row);
    let owner = Owner::new(&user, &tenant);
    let read = vault.read(owner, std::slice::from_ref(&name)).await.unwrap();
    let round = read[0].as_ref().map_or(0, Record::unix_seconds) + 1;
    let sealer = Sealer::new(keyring(directory, row % 2));
    let value = SecretString::from(format!("row {row} round {round}"));
    let sealed = sealer.seal(owner, &name, &value).unwrap();
    vault.write(owner, &name, Record::new(sealed, round)).await.unwrap();
    say(&format!("{row} {round};\n"));
}

/// In one call, so that lines do not mix.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes()).unwrap();
    out.flush().unwrap();
}

fn place(row: usize) -> (UserId, TenantId, SecretName) {
    let subject = format!("user {}", row / 4).parse().unwrap();
    let user = UserId::new("https://idp.example".parse().unwrap(), None, subject);
    (user, "github".parse().unwrap(), format!("TOKEN_{row}").parse().unwrap())
}

fn database(directory: &Path) -> PathBuf {
    directory.join("bonafide.db")
}

fn keyring(directory: &Path, newest: usize) -> Keyring {
    let key = |name: &str| {
        let text = std::fs::read_to_string(directory.join(name)).unwrap();
        MasterKey::from_base64(SecretString::from(text)).unwrap()
    };
    let (newest, older) = if newest == 0 { ("a", "b") } else { ("b", "a") };
    Keyring::new(&key(newest)).unwrap().with_older(&key(older)).unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Random enough for moments, and different each time.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let seed = u64::from(now.subsec_nanos()) | 1;
        println!("seed {seed}");
        Self(seed)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
