//! The policy in the database.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bonafide_policy::{
    Added, Mapping, MappingChange, MappingRow, MappingStore, PolicyStore, Replaced, Rule,
    StoreError,
};
use deadpool_postgres::{Client, Transaction};
use tokio::time::{sleep, timeout};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::error::OpenError;
use crate::pool::Postgres;

/// How long to wait before another attempt to read rows that could not be read.
const RETRY: Duration = Duration::from_secs(1);

/// How long the server may say nothing before those who watch the rows are told that nobody does.
const DEAF: Duration = Duration::from_secs(5);

/// How long a change may take, of a hundred thousand rows as well.
const LIMIT: Duration = Duration::from_secs(60);

const ROWS: &str = "SELECT id, issuer, group_name, tenant, tools, effect, subtree, note
     FROM bonafide.group_tenant_mapping ORDER BY id";

/// Readers go on; whoever else changes rows waits.
const LOCK: &str = "LOCK TABLE bonafide.group_tenant_mapping IN SHARE ROW EXCLUSIVE MODE";

const INSERT: &str = "INSERT INTO bonafide.group_tenant_mapping
         (issuer, group_name, tenant, tools, effect, subtree, note)
     SELECT issuer, group_name, tenant, tools, effect, subtree, note
     FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bool[], $7::text[])
         WITH ORDINALITY AS new (issuer, group_name, tenant, tools, effect, subtree, note, at)
     ORDER BY at
     ON CONFLICT DO NOTHING
     RETURNING id";

const FIND: &str = "SELECT stored.id
     FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bool[])
         WITH ORDINALITY AS new (issuer, group_name, tenant, tools, effect, subtree, at)
     JOIN bonafide.group_tenant_mapping AS stored
       ON stored.group_name = new.group_name AND stored.tenant = new.tenant
      AND coalesce(stored.issuer, '') = coalesce(new.issuer, '')
      AND stored.tools = new.tools AND stored.effect = new.effect AND stored.subtree = new.subtree
     ORDER BY at";

const REMOVE: &str = "DELETE FROM bonafide.group_tenant_mapping WHERE id = ANY($1) RETURNING id";

const NOTE: &str = "UPDATE bonafide.group_tenant_mapping AS stored SET note = new.note
     FROM unnest($1::bigint[], $2::text[]) AS new (id, note) WHERE stored.id = new.id";

/// `bonafide.group_tenant_mapping` in PostgreSQL: which group may use which tenant, shared by many gateways.
///
/// [`Mapping`] has the columns. A change, also one that somebody makes with SQL, reaches every gateway that
/// listens within milliseconds. A gateway that cannot reach the database goes on with the policy that it has, and
/// reads all rows again when it can.
///
/// # Security
///
/// Who may change the table decides who may reach what.
#[derive(Debug)]
pub struct PostgresMapping {
    postgres: Postgres,
    /// Which version of the table was read last, by the count of the hub.
    loaded: AtomicU64,
    /// The last attempt to read failed.
    failed: AtomicBool,
}

impl PostgresMapping {
    pub(crate) fn new(postgres: Postgres) -> Self {
        Self { postgres, loaded: AtomicU64::new(0), failed: AtomicBool::new(false) }
    }

    /// The database.
    #[must_use]
    pub fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    async fn read(&self) -> Result<Vec<MappingRow>, OpenError> {
        self.postgres.read(ROWS, &[]).await?.iter().map(row).collect()
    }
}

#[async_trait]
impl PolicyStore for PostgresMapping {
    async fn load(&self) -> Result<Vec<Rule>, StoreError> {
        // Before the rows are read: a change in between is one more to read.
        let version =
            self.postgres.listening().mapping_version(self.postgres.connect_limit()).await;
        let rows = self.read().await;
        self.loaded.store(version, Ordering::SeqCst);
        self.failed.store(rows.is_err(), Ordering::SeqCst);
        Ok(rows.map_err(failed)?.into_iter().map(Rule::from).collect())
    }

    async fn changed(&self) -> Result<(), StoreError> {
        if self.failed.load(Ordering::SeqCst) {
            sleep(RETRY).await;
            return Ok(());
        }
        let hub = self.postgres.listening();
        tokio::select! {
            () = hub.mapping_after(self.loaded.load(Ordering::SeqCst)) => Ok(()),
            () = hub.deaf(DEAF) => Err(failed(OpenError::Slow { limit: DEAF })),
        }
    }
}

#[async_trait]
impl MappingStore for PostgresMapping {
    async fn rows(&self) -> Result<Vec<MappingRow>, StoreError> {
        self.read().await.map_err(failed)
    }

    async fn add(&self, mappings: Vec<Mapping>) -> Result<Vec<Added>, StoreError> {
        Mapping::check(&mappings)?;
        let mut client = self.postgres.client().await.map_err(failed)?;
        let added = timeout(LIMIT, add(&mut client, &mappings)).await;
        self.postgres.settled(client, added, LIMIT).map_err(failed)
    }

    async fn remove(&self, ids: Vec<i64>) -> Result<Vec<bool>, StoreError> {
        let rows = self.postgres.query(REMOVE, &[&ids]).await.map_err(failed)?;
        let mut removed = numbers(&rows).map_err(failed)?.into_iter().collect::<HashSet<_>>();
        // A number that is asked for twice is removed once.
        Ok(ids.iter().map(|id| removed.remove(id)).collect())
    }

    async fn replace(&self, mappings: Vec<Mapping>) -> Result<Replaced, StoreError> {
        Mapping::check(&mappings)?;
        let mut client = self.postgres.client().await.map_err(failed)?;
        let replaced = timeout(LIMIT, replace(&mut client, &mappings)).await;
        self.postgres.settled(client, replaced, LIMIT).map_err(failed)
    }
}

async fn add(client: &mut Client, mappings: &[Mapping]) -> Result<Vec<Added>, OpenError> {
    let change = begin(client).await?;
    let columns = Columns::of(mappings);
    let mut new: HashSet<i64> = columns.insert(&change).await?.into_iter().collect();
    let statement = change.prepare_cached(FIND).await?;
    let ids = numbers(&change.query(&statement, &columns.key()).await?)?;
    change.commit().await?;
    // Of those that say the same, the first is the one that was added.
    Ok(ids.into_iter().map(|id| Added { id, new: new.remove(&id) }).collect())
}

async fn replace(client: &mut Client, mappings: &[Mapping]) -> Result<Replaced, OpenError> {
    let change = begin(client).await?;
    let statement = change.prepare_cached(ROWS).await?;
    let rows = change.query(&statement, &[]).await?;
    let rows = rows.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    let wanted = MappingChange::between(&rows, mappings);
    let statement = change.prepare_cached(REMOVE).await?;
    change.execute(&statement, &[&wanted.remove]).await?;
    let (ids, notes): (Vec<i64>, Vec<Option<&str>>) =
        wanted.notes.iter().map(|(id, note)| (*id, note.as_deref())).unzip();
    let statement = change.prepare_cached(NOTE).await?;
    change.execute(&statement, &[&ids, &notes]).await?;
    Columns::of(&wanted.add).insert(&change).await?;
    change.commit().await?;
    Ok(wanted.summary())
}

/// Begins a transaction that is alone with the table. It is undone unless it is committed.
async fn begin(client: &mut Client) -> Result<Transaction<'_>, OpenError> {
    let change = client.transaction().await?;
    let limit = LIMIT.as_millis();
    change.batch_execute(&format!("SET LOCAL statement_timeout = {limit}; {LOCK}")).await?;
    Ok(change)
}

/// Mappings as PostgreSQL takes many rows in one statement: an array for each column.
#[derive(Default)]
struct Columns<'a> {
    issuers: Vec<Option<&'a str>>,
    texts: [Vec<&'a str>; 4],
    subtrees: Vec<bool>,
    notes: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn of(mappings: &'a [Mapping]) -> Self {
        let mut columns = Self::default();
        for mapping in mappings {
            let Mapping { group, tenant, tools, effect, .. } = mapping;
            columns.issuers.push(mapping.issuer.as_deref());
            let texts: [&str; 4] = [group, tenant, tools, effect.as_str()];
            columns.texts.iter_mut().zip(texts).for_each(|(column, text)| column.push(text));
            columns.subtrees.push(mapping.subtree);
            columns.notes.push(mapping.note.as_deref());
        }
        columns
    }

    /// All that counts: a table has one row that says so.
    fn key(&self) -> [&(dyn ToSql + Sync); 6] {
        let [group, tenant, tools, effect] = &self.texts;
        [&self.issuers, group, tenant, tools, effect, &self.subtrees]
    }

    /// Adds the rows that are not there, and gives their numbers.
    async fn insert(&self, change: &Transaction<'_>) -> Result<Vec<i64>, OpenError> {
        let statement = change.prepare_cached(INSERT).await?;
        let [issuer, group, tenant, tools, effect, subtree] = self.key();
        let row = [issuer, group, tenant, tools, effect, subtree, &self.notes];
        numbers(&change.query(&statement, &row).await?)
    }
}

fn numbers(rows: &[Row]) -> Result<Vec<i64>, OpenError> {
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

fn row(row: &Row) -> Result<MappingRow, OpenError> {
    let (group, tenant): (String, String) = (row.try_get(2)?, row.try_get(3)?);
    let mut mapping = match row.try_get(5)? {
        "allow" => Mapping::allow(group, tenant),
        "deny" => Mapping::deny(group, tenant),
        _ => return Err(OpenError::Damaged { what: "an effect is neither `allow` nor `deny`" }),
    };
    mapping.issuer = row.try_get(1)?;
    mapping.tools = row.try_get(4)?;
    mapping.subtree = row.try_get(6)?;
    mapping.note = row.try_get(7)?;
    Ok(MappingRow { id: row.try_get(0)?, mapping })
}

fn failed(error: OpenError) -> StoreError {
    StoreError::Backend { store: "PostgreSQL", source: Box::new(error) }
}
