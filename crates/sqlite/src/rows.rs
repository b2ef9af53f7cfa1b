//! The statements. All of them take the parts of a key as parameters of their own.

use bonafide_claims::UserId;
use bonafide_policy::TenantId;
use bonafide_vault::{
    Envelope, Owner, Record, Replacement, SecretId, SecretName, Shelf, StoreError,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::RowError;

type Result<T> = std::result::Result<T, RowError>;

/// All rows of one owner. In any order: SQLite finds them sorted by name, but asking for it more than doubles the time.
const OF_OWNER: &str =
    "SELECT name, envelope, unix_seconds, expires_unix_seconds, refused_unix_seconds FROM secrets
     WHERE issuer = ?1 AND directory = ?2 AND subject = ?3 AND tenant = ?4";

/// All rows of one owner.
pub(crate) fn shelf(connection: &Connection, owner: Owner<'_>) -> Result<Shelf> {
    let mut statement = connection.prepare_cached(OF_OWNER)?;
    let mut rows = statement.query(owner.parts())?;
    let mut shelf = Vec::new();
    while let Some(row) = rows.next()? {
        shelf.push((name(row, 0)?, record(row, 1)?));
    }
    Ok(Shelf::from_iter(shelf))
}

/// For each of `names`, in order, what one owner has: what [`Shelf::read`] says of all rows.
pub(crate) fn named(
    connection: &Connection,
    owner: Owner<'_>,
    names: &[SecretName],
) -> Result<Vec<Option<Record>>> {
    let mut statement = connection.prepare_cached(OF_OWNER)?;
    let mut rows = statement.query(owner.parts())?;
    let mut found = vec![None; names.len()];
    let mut missing = names.len();
    // Finding out that there is no further row costs as much as a row.
    while missing > 0
        && let Some(row) = rows.next()?
    {
        let name = text(row, 0)?;
        for (_, found) in names.iter().zip(&mut found).filter(|(asked, _)| asked.as_str() == name) {
            *found = Some(record(row, 1)?);
            missing -= 1;
        }
    }
    Ok(found)
}

/// The first rows behind `after`, in the order of their keys.
pub(crate) fn page(
    connection: &Connection,
    after: Option<&SecretId>,
    limit: usize,
) -> Result<Vec<(SecretId, Record)>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(
        "SELECT name, envelope, unix_seconds, expires_unix_seconds, refused_unix_seconds,
                issuer, directory, subject, tenant FROM secrets
         WHERE (issuer, directory, subject, tenant, name) > (?1, ?2, ?3, ?4, ?5)
         ORDER BY issuer, directory, subject, tenant, name LIMIT ?6",
    )?;
    // No issuer is empty, so that the empty key is before all others.
    let ([issuer, directory, subject, tenant], last) =
        after.map_or(([""; 4], ""), |id| (id.owner().parts(), id.name().as_str()));
    let mut rows = statement.query(params![issuer, directory, subject, tenant, last, limit])?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        let id = SecretId::new(user(row)?, tenant_id(row)?, name(row, 0)?);
        page.push((id, record(row, 1)?));
    }
    Ok(page)
}

pub(crate) fn write(connection: &Connection, id: &SecretId, record: &Record) -> Result<()> {
    let [issuer, directory, subject, tenant] = id.owner().parts();
    let mut statement = connection.prepare_cached(
        "INSERT INTO secrets (issuer, directory, subject, tenant, name, envelope, unix_seconds,
                              expires_unix_seconds, refused_unix_seconds)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT DO UPDATE SET envelope = ?6, unix_seconds = ?7,
                                   expires_unix_seconds = ?8, refused_unix_seconds = ?9",
    )?;
    let seconds = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    statement.execute(params![
        issuer,
        directory,
        subject,
        tenant,
        id.name().as_str(),
        record.envelope().as_bytes(),
        seconds(record.unix_seconds()),
        record.expires_unix_seconds().map(seconds),
        record.refused_unix_seconds().map(seconds),
    ])?;
    Ok(())
}

pub(crate) fn remove(connection: &Connection, id: &SecretId) -> Result<u64> {
    let [issuer, directory, subject, tenant] = id.owner().parts();
    let mut statement = connection.prepare_cached(
        "DELETE FROM secrets
         WHERE issuer = ?1 AND directory = ?2 AND subject = ?3 AND tenant = ?4 AND name = ?5",
    )?;
    let removed = statement.execute([issuer, directory, subject, tenant, id.name().as_str()])?;
    Ok(removed as u64)
}

pub(crate) fn remove_user(connection: &Connection, user: &UserId) -> Result<u64> {
    let mut statement = connection.prepare_cached(
        "DELETE FROM secrets WHERE issuer = ?1 AND directory = ?2 AND subject = ?3",
    )?;
    Ok(statement.execute(user.parts())? as u64)
}

/// Writes the record if the row still is as expected, and says whether it was.
pub(crate) fn replace(connection: &Connection, change: &Replacement) -> Result<bool> {
    let [issuer, directory, subject, tenant] = change.id.owner().parts();
    let key = [issuer, directory, subject, tenant, change.id.name().as_str()];
    let mut statement = connection.prepare_cached(
        "SELECT envelope FROM secrets
         WHERE issuer = ?1 AND directory = ?2 AND subject = ?3 AND tenant = ?4 AND name = ?5",
    )?;
    let stored = statement.query_row(key, |row| row.get::<_, Vec<u8>>(0)).optional()?;
    let fits = stored.as_deref() == change.expected.as_ref().map(Envelope::as_bytes);
    if fits {
        write(connection, &change.id, &change.record)?;
    }
    Ok(fits)
}

/// Changes whenever another connection has changed the file since the last question, and not otherwise.
pub(crate) fn data_version(connection: &Connection) -> Result<i64> {
    let mut statement = connection.prepare_cached("PRAGMA data_version")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

fn record(row: &Row<'_>, at: usize) -> Result<Record> {
    let bytes = row.get_ref(at)?.as_blob().map_err(|_| damaged("an envelope is not a blob"))?;
    let seconds = |seconds: i64| u64::try_from(seconds).map_err(|_| damaged("a time is negative"));
    let later = |at| row.get::<_, Option<i64>>(at)?.map(seconds).transpose();
    Ok(Record::new(Envelope::from_bytes(bytes), seconds(row.get(at + 1)?)?)
        .with_expiry(later(at + 2)?)
        .with_refusal(later(at + 3)?))
}

fn name(row: &Row<'_>, at: usize) -> Result<SecretName> {
    text(row, at)?.parse().map_err(|_| damaged("a name is not the name of a secret"))
}

fn user(row: &Row<'_>) -> Result<UserId> {
    let wrong = |_| damaged("an issuer, directory or subject is not valid");
    let issuer = text(row, 5)?.parse().map_err(wrong)?;
    let directory = Some(text(row, 6)?).filter(|directory| !directory.is_empty());
    let directory = directory.map(str::parse).transpose().map_err(wrong)?;
    Ok(UserId::new(issuer, directory, text(row, 7)?.parse().map_err(wrong)?))
}

fn tenant_id(row: &Row<'_>) -> Result<TenantId> {
    text(row, 8)?.parse().map_err(|_| damaged("a tenant is not valid"))
}

fn text<'a>(row: &'a Row<'_>, at: usize) -> Result<&'a str> {
    row.get_ref(at)?.as_str().map_err(|_| damaged("a part of a key is not text"))
}

fn damaged(what: &'static str) -> RowError {
    RowError::Store(StoreError::Damaged { what })
}
