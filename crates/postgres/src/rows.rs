//! The statements. Each is a transaction of its own, and takes the parts of a key as parameters of their own.

use bonafide_claims::UserId;
use bonafide_policy::TenantId;
use bonafide_vault::{
    Envelope, Owner, Record, Replacement, SecretId, SecretName, Shelf, StoreError,
};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql};

use crate::pool::Postgres;

type Result<T> = std::result::Result<T, StoreError>;

/// The longest key, in bytes of all its parts: PostgreSQL indexes no more than 2,704 in one row.
pub const MAX_KEY_LEN: usize = 2600;

/// A key that PostgreSQL cannot index.
#[derive(Debug, thiserror::Error)]
#[error(
    "the key has {len} bytes: issuer, directory, subject, tenant and name may have {MAX_KEY_LEN} in all"
)]
struct KeyTooLong {
    len: usize,
}

/// How often a statement is tried that another one got in the way of.
const TRIES: usize = 3;

/// All rows of one owner, sorted by name. One round trip.
pub(crate) async fn shelf(postgres: &Postgres, owner: Owner<'_>) -> Result<Shelf> {
    const SQL: &str =
        "SELECT name, envelope, unix_seconds, expires_unix_seconds, refused_unix_seconds
         FROM bonafide.secrets
         WHERE issuer = $1 AND directory = $2 AND subject = $3 AND tenant = $4";
    let [issuer, directory, subject, tenant] = owner.parts();
    let rows = postgres.read(SQL, &[&issuer, &directory, &subject, &tenant]).await?;
    let pair = |row: &Row| Ok((name(row, 0)?, record(row, 1)?));
    // Sorted here, because the database would sort them after it has found them in this order.
    rows.iter().map(pair).collect()
}

/// The first rows behind `after`, in the order of their keys.
pub(crate) async fn page(
    postgres: &Postgres,
    after: Option<&SecretId>,
    limit: usize,
) -> Result<Vec<(SecretId, Record)>> {
    const SQL: &str =
        "SELECT name, envelope, unix_seconds, expires_unix_seconds, refused_unix_seconds,
                issuer, directory, subject, tenant
         FROM bonafide.secrets
         WHERE (issuer, directory, subject, tenant, name) > ($1, $2, $3, $4, $5)
         ORDER BY issuer, directory, subject, tenant, name LIMIT $6";
    // No issuer is empty, so that the empty key is before all others.
    let ([issuer, directory, subject, tenant], last) =
        after.map_or(([""; 4], ""), |id| (id.owner().parts(), id.name().as_str()));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = postgres.read(SQL, &[&issuer, &directory, &subject, &tenant, &last, &limit]).await?;
    let pair = |row: &Row| {
        Ok((SecretId::new(user(row, 5)?, tenant_id(row, 8)?, name(row, 0)?), record(row, 1)?))
    };
    rows.iter().map(pair).collect()
}

pub(crate) async fn write(
    postgres: &Postgres,
    owner: Owner<'_>,
    name: &SecretName,
    record: &Record,
) -> Result<()> {
    const SQL: &str = "INSERT INTO bonafide.secrets (issuer, directory, subject, tenant, name,
                envelope, unix_seconds, expires_unix_seconds, refused_unix_seconds)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (issuer, directory, subject, tenant, name) DO UPDATE
         SET envelope = excluded.envelope, unix_seconds = excluded.unix_seconds,
             expires_unix_seconds = excluded.expires_unix_seconds,
             refused_unix_seconds = excluded.refused_unix_seconds";
    let [issuer, directory, subject, tenant, name] = key(owner, name)?;
    let bytes = record.envelope().as_bytes();
    let Times { set, expires, refused } = Times::of(record);
    let parameters: [&(dyn ToSql + Sync); 9] =
        [&issuer, &directory, &subject, &tenant, &name, &bytes, &set, &expires, &refused];
    postgres.query(SQL, &parameters).await?;
    Ok(())
}

pub(crate) async fn remove(
    postgres: &Postgres,
    owner: Owner<'_>,
    name: &SecretName,
) -> Result<bool> {
    const SQL: &str = "DELETE FROM bonafide.secrets
         WHERE issuer = $1 AND directory = $2 AND subject = $3 AND tenant = $4 AND name = $5
         RETURNING true";
    let [issuer, directory, subject, tenant] = owner.parts();
    let name = name.as_str();
    let rows = postgres.query(SQL, &[&issuer, &directory, &subject, &tenant, &name]).await?;
    Ok(!rows.is_empty())
}

pub(crate) async fn remove_user(postgres: &Postgres, user: &UserId) -> Result<u64> {
    const SQL: &str = "WITH removed AS (DELETE FROM bonafide.secrets
             WHERE issuer = $1 AND directory = $2 AND subject = $3 RETURNING true)
         SELECT count(*) FROM removed";
    let [issuer, directory, subject] = user.parts();
    let rows = postgres.query(SQL, &[&issuer, &directory, &subject]).await?;
    let removed: i64 = rows.first().map_or(Ok(0), |row| column(row, 0))?;
    Ok(u64::try_from(removed).unwrap_or_default())
}

/// Makes those of `changes` whose row still is as expected. No two of them are of the same row.
///
/// One statement, so one round trip and one sync for all. A row that is changed at the same moment is looked at
/// again once that is done: a comparison that held is never outdated when the row is replaced.
pub(crate) async fn replace(postgres: &Postgres, changes: &[&Replacement]) -> Result<Vec<bool>> {
    const SQL: &str = "WITH change AS MATERIALIZED (
             SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
                     $6::bytea[], $7::bytea[], $8::bigint[], $9::bigint[], $10::bigint[])
                 WITH ORDINALITY AS change (issuer, directory, subject, tenant, name,
                     expected, envelope, set_at, expires_at, refused_at, at)
         ), updated AS (
             UPDATE bonafide.secrets AS stored
             SET envelope = change.envelope, unix_seconds = change.set_at,
                 expires_unix_seconds = change.expires_at, refused_unix_seconds = change.refused_at
             FROM change
             WHERE stored.issuer = change.issuer AND stored.directory = change.directory
               AND stored.subject = change.subject AND stored.tenant = change.tenant
               AND stored.name = change.name AND stored.envelope = change.expected
             RETURNING change.at
         ), inserted AS (
             INSERT INTO bonafide.secrets (issuer, directory, subject, tenant, name,
                 envelope, unix_seconds, expires_unix_seconds, refused_unix_seconds)
             SELECT issuer, directory, subject, tenant, name, envelope, set_at, expires_at, refused_at
             FROM change WHERE expected IS NULL ORDER BY at
             ON CONFLICT DO NOTHING
             RETURNING issuer, directory, subject, tenant, name
         )
         SELECT at FROM updated
         UNION ALL
         SELECT at FROM change JOIN inserted USING (issuer, directory, subject, tenant, name)";
    let mut columns = Columns::default();
    for change in changes {
        columns.push(change)?;
    }
    let Columns { keys: [issuer, directory, subject, tenant, name], expected, new, .. } = &columns;
    let Columns { set, expires, refused, .. } = &columns;
    let parameters: [&(dyn ToSql + Sync); 10] =
        [issuer, directory, subject, tenant, name, expected, new, set, expires, refused];
    let mut tries = 0;
    let rows = loop {
        tries += 1;
        match postgres.query(SQL, &parameters).await {
            // Another batch had what this one waited for, and the other way round: nothing was done.
            Err(error) if error.is_deadlock() && tries < TRIES => {}
            answer => break answer?,
        }
    };
    let mut made = vec![false; changes.len()];
    for row in rows {
        let at: i64 = column(&row, 0)?;
        let place = usize::try_from(at - 1).ok().and_then(|at| made.get_mut(at));
        *place.ok_or(StoreError::Bug { what: "a change that was not asked for was made" })? = true;
    }
    Ok(made)
}

/// Replacements as PostgreSQL takes many rows in one statement: an array for each column.
#[derive(Default)]
struct Columns<'a> {
    keys: [Vec<&'a str>; 5],
    expected: Vec<Option<&'a [u8]>>,
    new: Vec<&'a [u8]>,
    set: Vec<i64>,
    expires: Vec<Option<i64>>,
    refused: Vec<Option<i64>>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, change: &'a Replacement) -> Result<()> {
        let key = key(change.id.owner(), change.id.name())?;
        self.keys.iter_mut().zip(key).for_each(|(column, part)| column.push(part));
        self.expected.push(change.expected.as_ref().map(Envelope::as_bytes));
        self.new.push(change.record.envelope().as_bytes());
        let Times { set, expires, refused } = Times::of(&change.record);
        self.set.push(set);
        self.expires.push(expires);
        self.refused.push(refused);
        Ok(())
    }
}

/// The whole key of a row that is to be stored.
fn key<'a>(owner: Owner<'a>, name: &'a SecretName) -> Result<[&'a str; 5]> {
    let [issuer, directory, subject, tenant] = owner.parts();
    let key = [issuer, directory, subject, tenant, name.as_str()];
    let len = key.iter().map(|part| part.len()).sum();
    if len > MAX_KEY_LEN { Err(StoreError::unavailable(KeyTooLong { len })) } else { Ok(key) }
}

/// The times of a record, as the columns have them.
struct Times {
    set: i64,
    expires: Option<i64>,
    refused: Option<i64>,
}

impl Times {
    fn of(record: &Record) -> Self {
        let seconds = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
        Self {
            set: seconds(record.unix_seconds()),
            expires: record.expires_unix_seconds().map(seconds),
            refused: record.refused_unix_seconds().map(seconds),
        }
    }
}

fn record(row: &Row, at: usize) -> Result<Record> {
    let seconds = |seconds: i64| u64::try_from(seconds).map_err(|_| damaged("a time is negative"));
    let later = |at| column::<Option<i64>>(row, at)?.map(seconds).transpose();
    let bytes: &[u8] = column(row, at)?;
    Ok(Record::new(Envelope::from_bytes(bytes), seconds(column(row, at + 1)?)?)
        .with_expiry(later(at + 2)?)
        .with_refusal(later(at + 3)?))
}

fn name(row: &Row, at: usize) -> Result<SecretName> {
    text(row, at)?.parse().map_err(|_| damaged("a name is not the name of a secret"))
}

fn user(row: &Row, at: usize) -> Result<UserId> {
    let wrong = |_| damaged("an issuer, directory or subject is not valid");
    let issuer = text(row, at)?.parse().map_err(wrong)?;
    let directory = Some(text(row, at + 1)?).filter(|directory| !directory.is_empty());
    let directory = directory.map(str::parse).transpose().map_err(wrong)?;
    Ok(UserId::new(issuer, directory, text(row, at + 2)?.parse().map_err(wrong)?))
}

fn tenant_id(row: &Row, at: usize) -> Result<TenantId> {
    text(row, at)?.parse().map_err(|_| damaged("a tenant is not valid"))
}

fn text(row: &Row, at: usize) -> Result<&str> {
    column(row, at)
}

fn column<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T> {
    row.try_get(at).map_err(|_| damaged("a column has another type than it was made with"))
}

fn damaged(what: &'static str) -> StoreError {
    StoreError::Damaged { what }
}
