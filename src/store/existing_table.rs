//! A table that is there, beside the rows that a sink is going to write: which columns are new, which become wider, and
//! what does not fit. Called when a spec is checked and when a run prepares its tables.

use std::{cell::OnceCell, path::Path};

use duckdb::Connection;

use crate::record::{LogicalType, parse_type, quote, same_name};

use super::{StoreError, query};

/// What keeps a sink from writing to a table that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableConflict {
    /// Its rows are identified by other columns.
    Key {
        /// The key of the rows that are there.
        has: Vec<String>,
    },
    /// A column whose type would lose values.
    Column {
        /// The column.
        column: String,
        /// The type that it has.
        has: LogicalType,
        /// The type that would be written.
        writes: LogicalType,
    },
}

/// What becomes of a column when a sink writes to it.
#[derive(Debug, PartialEq)]
pub(super) enum ColumnChange {
    /// It is added.
    New,
    /// It stays as it is.
    None,
    /// It gets a type that holds the values that are there and those that are written.
    Wider(LogicalType),
    /// No such type is known.
    Lossy(LogicalType),
}

/// The columns of a table of the schema `main`; none where there is no such table.
pub(super) fn columns(
    connection: &Connection,
    table: &str,
) -> Result<Vec<(String, LogicalType)>, duckdb::Error> {
    let mut statement = connection.prepare_cached(
        "SELECT column_name, data_type FROM duckdb_columns()
         WHERE schema_name = 'main' AND lower(table_name) = lower(?) AND database_name = current_database()",
    )?;
    let found =
        statement.query_map([table], |row| Ok((row.get(0)?, parse_type(&row.get::<_, String>(1)?))))?;
    found.collect()
}

/// The key by which earlier runs wrote a table; none where that is not known.
pub(super) fn key(connection: &Connection, target: &str) -> Result<Option<Vec<String>>, duckdb::Error> {
    let mut statement = connection.prepare_cached(
        "SELECT unnest(key) FROM (SELECT key FROM etl.table_keys WHERE lower(target) = lower(?) LIMIT 1)",
    )?;
    let names: Vec<String> = statement.query_map([target], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok((!names.is_empty()).then_some(names))
}

/// What becomes of a column of a table with these columns. Integers become DOUBLE where every one of them is also a
/// DOUBLE: a table of whole prices takes the first price with cents.
pub(super) fn change(
    connection: &Connection,
    table: &str,
    there: &[(String, LogicalType)],
    (column, writes): (&str, &LogicalType),
) -> Result<ColumnChange, duckdb::Error> {
    let Some((_, has)) = there.iter().find(|(name, _)| same_name(name, column)) else {
        return Ok(ColumnChange::New);
    };
    match has.widened(writes) {
        Some(wide) if wide == *has => return Ok(ColumnChange::None),
        Some(wide) => return Ok(ColumnChange::Wider(wide)),
        None if (has, writes) != (&LogicalType::BigInt, &LogicalType::Double) => {
            return Ok(ColumnChange::Lossy(has.clone()));
        }
        None => {}
    }
    let (column, table) = (quote(column), quote(table));
    let query = format!("SELECT coalesce(max(abs({column}::HUGEINT)), 0) <= {EXACT} FROM main.{table}");
    Ok(match connection.query_row(&query, [], |row| row.get(0))? {
        true => ColumnChange::Wider(LogicalType::Double),
        false => ColumnChange::Lossy(LogicalType::BigInt),
    })
}

/// The largest integer up to which every integer is a DOUBLE.
const EXACT: u64 = 1 << 53;

/// Whether two keys are the same columns in the same order.
pub(super) fn is_same_key(a: &[String], b: &[String]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_name(a, b))
}

/// The tables of a database that is only read, opened with the first question.
pub struct KnownTables<'a> {
    database: &'a Path,
    connection: OnceCell<Option<Connection>>,
}

impl<'a> KnownTables<'a> {
    /// Those of a database, which need not be there.
    pub const fn of(database: &'a Path) -> Self {
        Self { database, connection: OnceCell::new() }
    }

    /// What keeps rows of these columns and this key (none where rows are only added) from the table. A database
    /// that cannot be read, because a run has it, says nothing: the run finds out.
    pub fn conflicts(
        &self,
        table: &str,
        key: Option<&[String]>,
        columns: &[(String, LogicalType)],
    ) -> Vec<TableConflict> {
        let open = || query::read_only(self.database).ok().filter(|_| self.database.exists());
        let Some(connection) = self.connection.get_or_init(open) else { return Vec::new() };
        conflicts(connection, table, key, columns).unwrap_or_default()
    }
}

fn conflicts(
    connection: &Connection,
    table: &str,
    writes_key: Option<&[String]>,
    writes: &[(String, LogicalType)],
) -> Result<Vec<TableConflict>, StoreError> {
    let there = columns(connection, table)?;
    if there.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    // A database of another program's has no keys of ours.
    if let Some(writes) = writes_key
        && let Some(has) = key(connection, table).unwrap_or_default()
        && !is_same_key(&has, writes)
    {
        found.push(TableConflict::Key { has });
    }
    for (column, of) in writes {
        if let ColumnChange::Lossy(has) = change(connection, table, &there, (column, of))? {
            found.push(TableConflict::Column { column: column.clone(), has, writes: of.clone() });
        }
    }
    Ok(found)
}
