//! The statements about `group_tenant_mapping`.

use bonafide_policy::{Added, Effect, Mapping, MappingRow, StoreError};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::RowError;
use crate::mapping::Fault;

type Result<T> = std::result::Result<T, Fault>;

/// Counts the changes to the table.
pub(crate) fn version(connection: &Connection) -> std::result::Result<i64, RowError> {
    let mut statement =
        connection.prepare_cached("SELECT version FROM group_tenant_mapping_version")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// All rows, in the order of their numbers.
pub(crate) fn all(connection: &Connection) -> Result<Vec<MappingRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, issuer, group_name, tenant, tools, effect, subtree, note
         FROM group_tenant_mapping ORDER BY id",
    )?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

pub(crate) fn add(connection: &Connection, mapping: &Mapping) -> Result<Added> {
    let Mapping { issuer, group, tenant, tools, effect, subtree, note, .. } = mapping;
    let effect = effect.as_str();
    let mut insert = connection.prepare_cached(
        "INSERT INTO group_tenant_mapping (issuer, group_name, tenant, tools, effect, subtree, note)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING RETURNING id",
    )?;
    let values = params![issuer, group, tenant, tools, effect, subtree, note];
    if let Some(id) = insert.query_row(values, |row| row.get(0)).optional()? {
        return Ok(Added { id, new: true });
    }
    let mut find = connection.prepare_cached(
        "SELECT id FROM group_tenant_mapping
         WHERE group_name = ?2 AND tenant = ?3 AND coalesce(issuer, '') = coalesce(?1, '')
         AND tools = ?4 AND effect = ?5 AND subtree = ?6",
    )?;
    let values = params![issuer, group, tenant, tools, effect, subtree];
    Ok(Added { id: find.query_row(values, |row| row.get(0))?, new: false })
}

pub(crate) fn remove(connection: &Connection, id: i64) -> Result<bool> {
    let mut statement =
        connection.prepare_cached("DELETE FROM group_tenant_mapping WHERE id = ?1")?;
    Ok(statement.execute([id])? > 0)
}

pub(crate) fn set_note(connection: &Connection, id: i64, note: Option<&str>) -> Result<()> {
    let mut statement =
        connection.prepare_cached("UPDATE group_tenant_mapping SET note = ?2 WHERE id = ?1")?;
    statement.execute(params![id, note])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<MappingRow> {
    let id = row.get(0)?;
    let text = |at, column| text(row, at, id, column);
    let needed = |at, column| -> Result<String> {
        let problem = "there is nothing: write a text";
        text(at, column)?.ok_or(Fault::Store(StoreError::Row { row: id, column, problem }))
    };
    let mut mapping = Mapping::allow(needed(2, "group_name")?, needed(3, "tenant")?);
    mapping.issuer = text(1, "issuer")?;
    mapping.tools = needed(4, "tools")?;
    mapping.effect = effect(&needed(5, "effect")?, id)?;
    mapping.subtree = row.get(6)?;
    mapping.note = text(7, "note")?;
    Ok(MappingRow { id, mapping })
}

/// The table takes nothing but texts, but a text that is not UTF-8 is one to SQLite.
fn text(row: &Row<'_>, at: usize, id: i64, column: &'static str) -> Result<Option<String>> {
    let text = row.get_ref(at)?.as_str_or_null();
    let problem = "this is no text in UTF-8";
    let text = text.map_err(|_| Fault::Store(StoreError::Row { row: id, column, problem }))?;
    Ok(text.map(str::to_owned))
}

fn effect(text: &str, id: i64) -> Result<Effect> {
    let problem = "an effect is `allow` or `deny`";
    text.parse().map_err(|_| Fault::Store(StoreError::Row { row: id, column: "effect", problem }))
}
