//! What is found at the first connection: the tables, or a reason not to go on.

use std::sync::Arc;
use std::time::Duration;

use bonafide_policy::{
    Action, Audit, AuditEvent, AuditQuery, AuditTrail, Mapping, MappingStore, PolicyStore,
    TrailError,
};
use bonafide_postgres::{MAX_KEY_LEN, OpenError, Postgres};
use bonafide_vault::{Owner, StoreError, Vault};
use secrecy::SecretString;

use crate::changes::{alice, record, user};
use crate::server::{Server, address, connect, postgres};

const VERSION: &str = "SELECT version FROM bonafide.schema_version";

async fn refused(url: &str) -> OpenError {
    postgres(url).prepare().await.unwrap_err()
}

fn named(url: &str) -> &str {
    url.rsplit('/').next().unwrap()
}

pub(crate) async fn makes_the_tables_once(server: &Server) {
    let url = server.database().await;
    let (user, tenant, names) = alice();
    let owner = Owner::new(&user, &tenant);
    postgres(&url).vault().write(owner, &names[0], record(1)).await.unwrap();
    let again = postgres(&url).vault();
    assert_eq!(again.read(owner, &names).await.unwrap(), [Some(record(1))]);
    let version: i32 = connect(&url).await.query_one(VERSION, &[]).await.unwrap().get(0);
    assert!(version > 0);
}

pub(crate) async fn many_may_open_a_new_database_at_once(server: &Server) {
    for _ in 0..3 {
        let url = server.database().await;
        let opened: Vec<_> = (0..12)
            .map(|_| {
                let postgres = postgres(&url);
                tokio::spawn(async move { postgres.prepare().await })
            })
            .collect();
        for opened in opened {
            opened.await.unwrap().unwrap();
        }
    }
}

/// Tables of the first version, with a row in them.
pub(crate) async fn brings_older_tables_up_to_date(server: &Server) {
    let url = server.database().await;
    let (user, tenant, names) = alice();
    let owner = Owner::new(&user, &tenant);
    let vault = postgres(&url).vault();
    vault.write(owner, &names[0], record(1)).await.unwrap();
    let sql = connect(&url).await;
    sql.batch_execute(
        "DROP TABLE bonafide.group_tenant_mapping, bonafide.audit;
         DROP FUNCTION bonafide.mapping_changed;
         UPDATE bonafide.schema_version SET version = 1",
    )
    .await
    .unwrap();
    let newer = postgres(&url);
    newer.prepare().await.unwrap();
    assert_eq!(newer.vault().read(owner, &names).await.unwrap(), [Some(record(1))]);
    sql.batch_execute("TABLE bonafide.group_tenant_mapping; TABLE bonafide.audit").await.unwrap();
    // The older program goes on.
    assert_eq!(vault.read(owner, &names).await.unwrap(), [Some(record(1))]);
    vault.write(owner, &names[0], record(2)).await.unwrap();
}

pub(crate) async fn refuses_tables_from_the_future(server: &Server) {
    let url = server.database().await;
    postgres(&url).prepare().await.unwrap();
    let sql = connect(&url).await;
    let known: i32 = sql.query_one(VERSION, &[]).await.unwrap().get(0);
    for version in [known + 1, i32::MAX, -1] {
        sql.execute("UPDATE bonafide.schema_version SET version = $1", &[&version]).await.unwrap();
        let error = refused(&url).await;
        assert!(matches!(error, OpenError::Newer { version: v, .. } if v == version), "{error:?}");
        let vault = postgres(&url).vault();
        let error = vault.scan(None, 1).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    }
}

pub(crate) async fn refuses_the_schema_of_something_else_and_leaves_it_alone(server: &Server) {
    let url = server.database().await;
    let sql = connect(&url).await;
    sql.batch_execute("CREATE SCHEMA bonafide; CREATE TABLE bonafide.secrets (x int)")
        .await
        .unwrap();
    let error = refused(&url).await;
    assert!(matches!(error, OpenError::Foreign), "{error:?}");
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'bonafide'::regnamespace";
    let tables: i64 = sql.query_one(tables, &[]).await.unwrap().get(0);
    assert_eq!(tables, 1);
    // An empty schema is one that an administrator has made for us.
    sql.batch_execute("DROP TABLE bonafide.secrets").await.unwrap();
    postgres(&url).prepare().await.unwrap();
}

pub(crate) async fn refuses_a_database_in_another_encoding(server: &Server) {
    let options = "TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'";
    let error = refused(&server.database_with(options).await).await;
    assert!(
        matches!(&error, OpenError::Encoding { encoding } if encoding == "LATIN1"),
        "{error:?}"
    );
}

pub(crate) async fn says_why_it_can_not_connect_and_never_the_password(server: &Server) {
    let closed = format!("postgres://u:canary@127.0.0.1:{}/d", crate::server::free_port());
    let url = server.database().await;
    let unknown = url.replace("postgres@", "nobody:canary@");
    let missing = format!("{}_missing", url.replace("postgres@", "postgres:canary@"));
    let encrypted = format!("{}?sslmode=verify-full", url.replace("postgres@", "postgres:canary@"));
    for (url, says) in [
        (closed, "refused"),
        (unknown, "28000"),
        (missing, "3D000"),
        (encrypted, "server does not support TLS"),
    ] {
        let error = refused(&url).await;
        let text = format!("{error} {error:?}");
        assert!(matches!(error, OpenError::Connect { .. }), "{text}");
        assert!(text.contains(says) && !text.contains("canary"), "{says}: {text}");
    }
}

/// A password that is asked for, given in the URL or beside it; and a gateway that may not change tables.
pub(crate) async fn needs_no_right_to_change_tables_that_are_up_to_date(server: &Server) {
    let url = server.database().await;
    let role = format!("gateway_{}", named(&url));
    let sql = connect(&url).await;
    sql.batch_execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'canary'")).await.unwrap();
    let mine = url.replace("postgres@", &format!("{role}@"));
    let error = refused(&mine).await;
    assert!(matches!(&error, OpenError::Refused { code, .. } if &**code == "42501"), "{error:?}");
    postgres(&url).prepare().await.unwrap();
    let grants = format!(
        "GRANT USAGE ON SCHEMA bonafide TO {role};
         GRANT SELECT ON bonafide.schema_version, bonafide.group_tenant_mapping TO {role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON bonafide.secrets TO {role};
         GRANT INSERT ON bonafide.audit TO {role}"
    );
    sql.batch_execute(&grants).await.unwrap();
    let address = address(&mine).with_password(SecretString::from("canary"));
    let gateway = Postgres::new(address).unwrap();
    // It writes the audit, and neither reads nor changes what it wrote.
    let audit = Audit::builder()
        .with_sink(gateway.audit().unwrap().with_keep(Duration::ZERO))
        .start()
        .unwrap();
    let user = bonafide_testkit::Issuer::new("https://idp.example").user("alice").verified();
    audit.record(AuditEvent::new(Action::SignIn, &user, std::time::SystemTime::now()));
    assert!(tokio::task::block_in_place(|| audit.flush(Duration::from_secs(20))));
    assert_eq!(audit.lost(), 0);
    let read = gateway.trail().recent(&AuditQuery::newest(1)).await;
    assert!(matches!(read, Err(TrailError::Store(_))), "{read:?}");
    let rows: i64 = sql.query_one("SELECT count(*) FROM bonafide.audit", &[]).await.unwrap().get(0);
    assert_eq!(rows, 1);
    assert!(gateway.mapping().load().await.unwrap().is_empty());
    let refused = gateway.mapping().add(vec![Mapping::allow("dev", "github")]).await;
    assert!(refused.is_err(), "a gateway can change the policy");
    let vault = gateway.vault();
    let (user, tenant, names) = alice();
    let owner = Owner::new(&user, &tenant);
    vault.write(owner, &names[0], record(1)).await.unwrap();
    assert_eq!(vault.read(owner, &names).await.unwrap(), [Some(record(1))]);
    assert!(vault.remove(owner, &names[0]).await.unwrap());
}

/// It would answer with what was true some time ago.
pub(crate) async fn refuses_a_standby(server: &Server) {
    let url = server.database().await;
    postgres(&url).prepare().await.unwrap();
    let standby = server.standby();
    let error = refused(&standby.url(named(&url))).await;
    assert!(matches!(&error, OpenError::Connect { .. }), "{error:?}");
    assert!(error.to_string().contains("does not allow writes"), "{error}");
}

/// A database whose settings would lose changes or refuse statements.
pub(crate) async fn makes_changes_durable_whatever_the_database_says(server: &Server) {
    let url = server.database().await;
    let name = named(&url);
    let sql = connect(&url).await;
    for setting in [
        "synchronous_commit = off",
        "default_transaction_isolation = 'serializable'",
        "search_path = 'nowhere'",
        "statement_timeout = '1ms'",
    ] {
        sql.batch_execute(&format!("ALTER DATABASE {name} SET {setting}")).await.unwrap();
    }
    // What a session of ours has, written down by the session itself at a change.
    let vault = postgres(&url).vault();
    vault.postgres().prepare().await.unwrap();
    sql.batch_execute(
        "CREATE TABLE public.seen (setting text);
         CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             INSERT INTO public.seen VALUES (current_setting('synchronous_commit')),
                 (current_setting('default_transaction_isolation')),
                 (current_setting('statement_timeout'));
             RETURN NULL;
         END $$;
         CREATE TRIGGER see AFTER INSERT ON bonafide.secrets EXECUTE FUNCTION public.see()",
    )
    .await
    .unwrap();
    let (user, tenant, names) = alice();
    vault.write(Owner::new(&user, &tenant), &names[0], record(1)).await.unwrap();
    let rows = sql.query("SELECT setting FROM public.seen", &[]).await.unwrap();
    let seen: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(seen, ["on", "read committed", "5s"]);
}

pub(crate) async fn refuses_a_key_that_can_not_be_indexed(server: &Server) {
    let vault = postgres(&server.database().await).vault();
    // Text that does not compress: the index would take a longer one that does.
    let mut state = 7_u32;
    let mut random = |len: usize| -> String {
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b' ' + (state >> 16) as u8 % 95)
        };
        (0..len).map(next).collect()
    };
    let (_, tenant, names) = alice();
    let fixed = tenant.as_str().len() + names[0].as_str().len();
    let mut id = |len: usize| {
        let rest = len - fixed - 2048;
        bonafide_claims::UserId::new(
            random(1024).parse().unwrap(),
            Some(random(1024).parse().unwrap()),
            random(rest).parse().unwrap(),
        )
    };
    let longest = id(MAX_KEY_LEN);
    let owner = Owner::new(&longest, &tenant);
    vault.write(owner, &names[0], record(1)).await.unwrap();
    assert_eq!(vault.read(owner, &names).await.unwrap(), [Some(record(1))]);
    let longer = id(MAX_KEY_LEN + 1);
    let owner = Owner::new(&longer, &tenant);
    let error = vault.write(owner, &names[0], record(1)).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.starts_with("the key has 2601 bytes"), "{cause}");
    assert_eq!(vault.read(owner, &names).await.unwrap(), [None]);
}

pub(crate) async fn damage_is_an_error_and_not_an_absence(server: &Server) {
    let (alice, tenant, names) = alice();
    let (alice, bob) = (Arc::new(alice), user("bob"));
    for damage in [
        "UPDATE bonafide.secrets SET name = 'no name' WHERE subject = 'alice'",
        "UPDATE bonafide.secrets SET unix_seconds = -1 WHERE subject = 'alice'",
        "UPDATE bonafide.secrets SET expires_unix_seconds = -1 WHERE subject = 'alice'",
        "ALTER TABLE bonafide.secrets ALTER unix_seconds TYPE text",
    ] {
        let url = server.database().await;
        let vault = postgres(&url).vault().with_cached_owners(0);
        for user in [&*alice, &bob] {
            vault.write(Owner::new(user, &tenant), &names[0], record(1)).await.unwrap();
        }
        connect(&url).await.batch_execute(damage).await.unwrap();
        let vault = postgres(&url).vault();
        let error = vault.read(Owner::new(&alice, &tenant), &names).await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{damage}: {error:?}");
        if damage.starts_with("UPDATE") {
            let read = vault.read(Owner::new(&bob, &tenant), &names).await.unwrap();
            assert_eq!(read, [Some(record(1))], "one broken row hides no others");
        }
    }
    let url = server.database().await;
    let vault = postgres(&url).vault();
    vault.postgres().prepare().await.unwrap();
    connect(&url).await.batch_execute("DROP TABLE bonafide.secrets").await.unwrap();
    let error = vault.read(Owner::new(&alice, &tenant), &names).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
}
