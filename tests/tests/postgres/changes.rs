//! What one gateway changes, another one sees in time; what it cannot hear of, it does not believe.

use std::time::{Duration, Instant};

use bonafide_claims::UserId;
use bonafide_policy::TenantId;
use bonafide_postgres::{MAX_STALENESS, Postgres, PostgresVault};
use bonafide_vault::{Envelope, Owner, Record, SecretName, StoreError, Vault};
use futures_util::future::poll_fn;
use tokio::time::sleep;
use tokio_postgres::{AsyncMessage, NoTls};

use crate::server::{Server, address, connect, postgres};
use crate::wire::Wire;

pub(crate) fn user(subject: &str) -> UserId {
    UserId::new("https://idp.example".parse().unwrap(), None, subject.parse().unwrap())
}

pub(crate) fn alice() -> (UserId, TenantId, [SecretName; 1]) {
    (user("alice"), "github".parse().unwrap(), ["TOKEN".parse().unwrap()])
}

pub(crate) fn record(byte: u8) -> Record {
    Record::new(Envelope::from_bytes([byte; 64]), 1_700_000_000)
}

async fn read(vault: &PostgresVault, owner: Owner<'_>, names: &[SecretName]) -> Option<Record> {
    vault.read(owner, names).await.unwrap().remove(0)
}

/// Reads until `expected` is found. Gives how long that took.
async fn until(
    vault: &PostgresVault,
    owner: Owner<'_>,
    names: &[SecretName],
    expected: Option<Record>,
) -> Duration {
    let started = Instant::now();
    loop {
        // Before the read: it may take its time, and what it finds was true when it began.
        let elapsed = started.elapsed();
        if read(vault, owner, names).await == expected {
            return elapsed;
        }
        assert!(elapsed < MAX_STALENESS, "still not seen after {elapsed:?}");
        sleep(Duration::from_millis(1)).await;
    }
}

/// Reads until reads come from memory.
async fn warm(vault: &PostgresVault, wire: &Wire, owner: Owner<'_>, names: &[SecretName]) {
    let started = Instant::now();
    loop {
        read(vault, owner, names).await;
        wire.count();
        read(vault, owner, names).await;
        if wire.count() == (0, 0) {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "reads never come from memory");
        sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) async fn a_change_elsewhere_is_seen_within_the_bound(server: &Server) {
    let url = server.database().await;
    let (ours, theirs) = (postgres(&url).vault(), postgres(&url).vault());
    let (user, tenant, names) = alice();
    let owner = Owner::new(&user, &tenant);
    let mut longest = Duration::ZERO;
    for round in 0..100 {
        for vault in [&ours, &theirs] {
            read(vault, owner, &names).await;
        }
        let (writer, reader) = if round % 3 == 0 { (&theirs, &ours) } else { (&ours, &theirs) };
        writer.write(owner, &names[0], record(round)).await.unwrap();
        assert_eq!(read(writer, owner, &names).await, Some(record(round)), "its own change");
        longest = longest.max(until(reader, owner, &names, Some(record(round))).await);
    }
    assert_eq!(theirs.remove_user(&user).await.unwrap(), 1);
    longest = longest.max(until(&ours, owner, &names, None).await);
    println!("101 changes elsewhere, seen within {longest:?}");
}

pub(crate) async fn plain_sql_is_heard_too(server: &Server) {
    let url = server.database().await;
    let wire = Wire::to(server.port).await;
    let vault = postgres(&wire.url(&url)).vault();
    let (user, tenant, names) = alice();
    let owner = Owner::new(&user, &tenant);
    let sql = connect(&url).await;
    for (statement, left) in [
        ("UPDATE bonafide.secrets SET tenant = 'jira'", None),
        ("UPDATE bonafide.secrets SET unix_seconds = 5", Some(5)),
        ("DELETE FROM bonafide.secrets", None),
        ("TRUNCATE bonafide.secrets", None),
    ] {
        vault.write(owner, &names[0], record(1)).await.unwrap();
        warm(&vault, &wire, owner, &names).await;
        sql.batch_execute(statement).await.unwrap();
        let expected = left.map(|seconds| Record::new(record(1).envelope().clone(), seconds));
        until(&vault, owner, &names, expected).await;
    }
    // A row that is moved here is seen as well.
    let jira = "jira".parse().unwrap();
    vault.write(Owner::new(&user, &jira), &names[0], record(2)).await.unwrap();
    warm(&vault, &wire, owner, &names).await;
    sql.batch_execute("UPDATE bonafide.secrets SET tenant = 'github'").await.unwrap();
    until(&vault, owner, &names, Some(record(2))).await;
}

pub(crate) async fn warm_reads_do_not_reach_the_server(server: &Server) {
    let wire = Wire::to(server.port).await;
    let vault = postgres(&wire.url(&server.database().await)).vault();
    let (user, tenant, names) = alice();
    let owner = Owner::new(&user, &tenant);
    vault.write(owner, &names[0], record(1)).await.unwrap();
    warm(&vault, &wire, owner, &names).await;
    let started = Instant::now();
    wire.count();
    for _ in 0..1000 {
        assert_eq!(read(&vault, owner, &names).await, Some(record(1)));
    }
    // The beats of the connection that listens, and nothing else.
    let beats = started.elapsed().as_millis() / 250 + 1;
    let (questions, prepared) = wire.count();
    assert!(questions as u128 <= beats && prepared == 0, "{questions} in {:?}", started.elapsed());
    // Nobody else's change makes this one's rows unknown.
    let bob = crate::changes::user("bob");
    vault.write(Owner::new(&bob, &tenant), &names[0], record(2)).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let before = started.elapsed().as_millis() / 250;
    wire.count();
    read(&vault, owner, &names).await;
    let beats = started.elapsed().as_millis() / 250 + 1 - before;
    assert!(wire.count().0 as u128 <= beats);
}

pub(crate) async fn nothing_stale_is_served_when_the_listener_is_cut_off(server: &Server) {
    let url = server.database().await;
    let wire = Wire::to(server.port).await;
    let vault = postgres(&wire.url(&url)).vault();
    let other = postgres(&url).vault();
    let (user, tenant, names) = alice();
    let owner = Owner::new(&user, &tenant);
    for round in 0..5 {
        other.write(owner, &names[0], record(round)).await.unwrap();
        warm(&vault, &wire, owner, &names).await;
        wire.cut();
        // While nobody listens.
        other.write(owner, &names[0], record(round + 100)).await.unwrap();
        until(&vault, owner, &names, Some(record(round + 100))).await;
    }
    warm(&vault, &wire, owner, &names).await;
}

/// The worst case: connections that look open, and over which nothing comes any more. What is at hand is not
/// believed for longer than the bound; then there is an error, and no old value.
pub(crate) async fn nothing_stale_is_served_when_the_server_stops_answering(server: &Server) {
    let url = server.database().await;
    let wire = Wire::to(server.port).await;
    let postgres = Postgres::builder(address(&wire.url(&url)))
        .with_connect_limit(Duration::from_millis(300))
        .with_statement_limit(Duration::from_millis(300));
    let vault = postgres.build().unwrap().vault();
    let other = crate::server::postgres(&url).vault();
    let (user, tenant, names) = alice();
    let owner = Owner::new(&user, &tenant);
    other.write(owner, &names[0], record(1)).await.unwrap();
    warm(&vault, &wire, owner, &names).await;
    wire.set_dead(true);
    let dead = Instant::now();
    other.write(owner, &names[0], record(2)).await.unwrap();
    let changed = Instant::now();
    let mut stale = 0;
    let error = loop {
        let begun = Instant::now();
        match vault.read(owner, &names).await {
            Ok(read) => {
                assert_eq!(read, [Some(record(1))]);
                let since = begun.duration_since(changed);
                assert!(since < MAX_STALENESS, "an old value {since:?} after the change");
                stale += 1;
            }
            Err(error) => break error,
        }
        sleep(Duration::from_millis(1)).await;
    };
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    assert!(stale > 0, "the wire was not dead");
    assert!(dead.elapsed() < MAX_STALENESS + Duration::from_secs(3), "{:?}", dead.elapsed());
    wire.set_dead(false);
    let back = Instant::now();
    loop {
        match vault.read(owner, &names).await {
            Ok(read) => {
                assert_eq!(read, [Some(record(2))]);
                break;
            }
            Err(_) => assert!(back.elapsed() < Duration::from_secs(10), "it does not come back"),
        }
    }
    warm(&vault, &wire, owner, &names).await;
}

/// As behind PgBouncer in mode `transaction`: everything works, only nobody hears of anything.
pub(crate) async fn nothing_at_hand_is_believed_where_nothing_is_heard(server: &Server) {
    let url = server.database().await;
    let wire = Wire::to(server.port).await;
    let other = postgres(&url).vault();
    let (user, tenant, names) = alice();
    let owner = Owner::new(&user, &tenant);
    wire.set_deaf(true);
    let vault = postgres(&wire.url(&url)).vault();
    let started = Instant::now();
    let mut rounds = 0..u8::MAX;
    while started.elapsed() < 2 * MAX_STALENESS {
        let round = rounds.next().unwrap();
        other.write(owner, &names[0], record(round)).await.unwrap();
        assert_eq!(read(&vault, owner, &names).await, Some(record(round)));
        sleep(Duration::from_millis(20)).await;
    }
    wire.set_deaf(false);
    warm(&vault, &wire, owner, &names).await;

    // A session that does not listen any more, behind a connection that looks as before.
    wire.unlisten();
    while !wire.has_unlistened() {
        sleep(Duration::from_millis(1)).await;
    }
    other.write(owner, &names[0], record(u8::MAX)).await.unwrap();
    until(&vault, owner, &names, Some(record(u8::MAX))).await;
    warm(&vault, &wire, owner, &names).await;
}

/// Whoever may connect to a database may listen to it.
pub(crate) async fn notifications_name_nobody(server: &Server) {
    let url = server.database().await;
    let vault = postgres(&url).vault();
    vault.postgres().prepare().await.unwrap();
    let (client, mut connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    let (send, mut heard) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(notification) = message {
                let _ = send.send(notification.payload().to_owned());
            }
        }
    });
    client.batch_execute("LISTEN bonafide_secrets").await.unwrap();
    let (user, tenant, names) = alice();
    vault.write(Owner::new(&user, &tenant), &names[0], record(1)).await.unwrap();
    let payload = heard.recv().await.unwrap();
    assert!(payload.len() == 64 && payload.bytes().all(|b| b.is_ascii_hexdigit()), "{payload}");
}
