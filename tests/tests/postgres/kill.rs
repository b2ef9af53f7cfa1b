//! A gateway, and then the server, that is killed with SIGKILL while a gateway writes and seals again: afterwards every
//! secret is the old or the new value, and opens.
//!
//! Gateways are killed 60 times and servers four times; `BONAFIDE_KILLS=1000` kills a thousand gateways and a hundred
//! servers. What it cannot show is a loss of power: SIGKILL takes processes and leaves the system's page cache.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bonafide_claims::UserId;
use bonafide_policy::TenantId;
use bonafide_postgres::{Postgres, PostgresVault};
use bonafide_vault::{Keyring, MasterKey, Owner, Record, Sealer, SecretName, Vault, admin};
use secrecy::{ExposeSecret, SecretString};

use crate::changes::user;
use crate::server::{Server, address, postgres};

const ROWS: usize = 32;
const URL: &str = "BONAFIDE_KILL_URL";
const KEYS: [&str; 2] = ["BONAFIDE_KILL_KEY_A", "BONAFIDE_KILL_KEY_B"];

/// Whether this process is one that is to be killed.
pub(crate) fn is_child() -> bool {
    std::env::var_os(URL).is_some()
}

fn kills(otherwise: usize) -> usize {
    std::env::var("BONAFIDE_KILLS").map_or(otherwise, |kills| kills.parse().unwrap())
}

pub(crate) async fn every_secret_is_old_or_new_after_a_client_is_killed(server: &Server) {
    let mut trial = Trial::new(server).await;
    let kills = kills(60);
    for _ in 0..kills {
        trial.run(|child| child.kill().unwrap());
        settled(server, &trial.url).await;
        trial.check().await;
    }
    trial.end(&format!("{kills} kills of a gateway"));
}

pub(crate) async fn every_secret_is_old_or_new_after_the_server_is_killed(_: &Server) {
    let server = Server::start();
    let mut trial = Trial::new(&server).await;
    let kills = (kills(0) / 10).max(4);
    for _ in 0..kills {
        trial.run(|child| {
            server.kill();
            // Nothing is to come of it when the server is back.
            child.kill().unwrap();
        });
        server.run();
        trial.check().await;
    }
    trial.end(&format!("{kills} kills of the server"));
}

/// What gateways write that are killed one after the other, and what they said that they wrote.
struct Trial {
    url: String,
    vault: PostgresVault,
    keys: [MasterKey; 2],
    random: Random,
    acknowledged: [u64; ROWS],
    rounds: usize,
    changes: usize,
    rewraps: usize,
}

impl Trial {
    async fn new(server: &Server) -> Self {
        let url = server.database().await;
        let vault = postgres(&url).vault();
        vault.postgres().prepare().await.unwrap();
        Self {
            url,
            vault,
            keys: [(); 2].map(|()| MasterKey::generate().unwrap()),
            random: Random::new(),
            acknowledged: [0; ROWS],
            rounds: 0,
            changes: 0,
            rewraps: 0,
        }
    }

    /// Runs a child until some time after its first sign of life.
    fn run(&mut self, kill: impl FnOnce(&mut Child)) {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.env(URL, &self.url).stdout(Stdio::piped()).stderr(Stdio::null());
        for (name, key) in KEYS.iter().zip(&self.keys) {
            child.env(name, key.to_base64().expose_secret());
        }
        let mut child = child.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while lines.next().unwrap().unwrap() != "ready" {}
        // Some in the middle of their first change, and some after one, however busy the machine is.
        if self.rounds % 2 == 1 {
            while !self.note(&lines.next().unwrap().unwrap()) {}
        }
        // Few changes and many.
        let limit = if self.rounds % 4 < 2 { 20_000 } else { 300_000 };
        std::thread::sleep(Duration::from_micros(self.random.below(limit)));
        kill(&mut child);
        child.wait().unwrap();
        self.rounds += 1;
        // What is still in the pipe was acknowledged before the kill.
        for line in lines.map_while(Result::ok) {
            self.note(&line);
        }
    }

    /// Takes down what a child says. Whether it was a change; a line without its end was not.
    fn note(&mut self, line: &str) -> bool {
        let Some(text) = line.strip_suffix(';') else { return false };
        let Some((row, round)) = text.split_once(' ') else {
            self.rewraps += 1;
            return false;
        };
        self.acknowledged[row.parse::<usize>().unwrap()] = round.parse().unwrap();
        self.changes += 1;
        true
    }

    async fn check(&mut self) {
        check(&self.vault, &self.keys, &mut self.acknowledged).await;
    }

    fn end(self, what: &str) {
        let Self { changes, rewraps, .. } = self;
        println!("{what}, {rewraps} rewraps begun, {changes} changes acknowledged");
        assert!(changes > 0, "no child came as far as a change");
        assert!(rewraps > 0, "no child came as far as a rewrap");
    }
}

/// Waits until the server is through with what the child had sent.
async fn settled(server: &Server, url: &str) {
    let name = url.rsplit('/').next().unwrap();
    let sql = server.client("postgres").await;
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND state <> 'idle'";
    while sql.query_one(busy, &[&name]).await.unwrap().get::<_, i64>(0) > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn check(vault: &PostgresVault, keys: &[MasterKey; 2], acknowledged: &mut [u64; ROWS]) {
    let sealer = Sealer::new(keyring(keys, 0));
    // The rows as they are, not as they were when this process last read them.
    let stored = vault.scan(None, 2 * ROWS).await.unwrap();
    for (row, acknowledged) in acknowledged.iter_mut().enumerate() {
        let (user, tenant, name) = place(row);
        let owner = Owner::new(&user, &tenant);
        let found = stored.iter().find(|(id, _)| id.owner() == owner && id.name() == &name);
        match found {
            Some((_, record)) => {
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

/// What is killed.
pub(crate) async fn child() {
    let keys = Arc::new(KEYS.map(|name| {
        MasterKey::from_base64(SecretString::from(std::env::var(name).unwrap())).unwrap()
    }));
    // However busy the machine is: this is not about time limits.
    let limit = Duration::from_secs(60);
    let builder = Postgres::builder(address(&std::env::var(URL).unwrap()));
    let builder = builder.with_connect_limit(limit).with_statement_limit(limit);
    let vault = Arc::new(builder.build().unwrap().vault());
    vault.postgres().prepare().await.unwrap();
    say("ready\n");
    for task in 0..4 {
        let (vault, keys) = (Arc::clone(&vault), Arc::clone(&keys));
        tokio::spawn(async move {
            for row in (task..ROWS).step_by(4).cycle() {
                write_next(&vault, &keys, row).await;
            }
        });
    }
    for newest in [0, 1].into_iter().cycle() {
        say("rewrap;\n");
        let sealer = Sealer::new(keyring(&keys, newest));
        admin::rewrap(&*vault, &sealer, |_| {}).await.unwrap();
    }
}

async fn write_next(vault: &PostgresVault, keys: &[MasterKey; 2], row: usize) {
    let (user, tenant, name) = place(row);
    let owner = Owner::new(&user, &tenant);
    let read = vault.read(owner, std::slice::from_ref(&name)).await.unwrap();
    let round = read[0].as_ref().map_or(0, Record::unix_seconds) + 1;
    let sealer = Sealer::new(keyring(keys, row % 2));
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
    let user = user(&format!("user {}", row / 4));
    (user, "github".parse().unwrap(), format!("TOKEN_{row}").parse().unwrap())
}

fn keyring(keys: &[MasterKey; 2], newest: usize) -> Keyring {
    Keyring::new(&keys[newest]).unwrap().with_older(&keys[1 - newest]).unwrap()
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
