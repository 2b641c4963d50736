//! Compares an existing table with the rows that a sink will write: which columns are new, which are widened, and
//! what conflicts. Called when a spec is checked and when a run prepares its tables.

use std::{cell::OnceCell, path::Path};

use duckdb::Connection;

use crate::record::{LogicalType, parse_type, quote, same_name};

use super::{StoreError, query};

/// Why a sink cannot write to an existing table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableConflict {
    /// Its rows are identified by other columns.
    Key {
        /// The key of its rows.
        has: Vec<String>,
    },
    /// A column whose type would lose values.
    Column {
        /// The column.
        column: String,
        /// Its type.
        has: LogicalType,
        /// The type to be written.
        writes: LogicalType,
    },
}

/// The change of a column when a sink writes to it.
#[derive(Debug, PartialEq)]
pub(super) enum ColumnChange {
    /// It is added.
    New,
    /// It stays unchanged.
    None,
    /// It gets a type that holds both existing and new values.
    Wider(LogicalType),
    /// There is no such type.
    Lossy(LogicalType),
}

/// The columns of a table in the schema `main`; empty if it does not exist.
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

/// The key used by earlier runs for a table; `None` if unknown.
pub(super) fn key(connection: &Connection, target: &str) -> Result<Option<Vec<String>>, duckdb::Error> {
    let mut statement = connection.prepare_cached(
        "SELECT unnest(key) FROM (SELECT key FROM etl.table_keys WHERE lower(target) = lower(?) LIMIT 1)",
    )?;
    let names: Vec<String> = statement.query_map([target], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok((!names.is_empty()).then_some(names))
}

/// How a column of a table with these columns changes. Integers become DOUBLE if all of them can be represented:
/// a table of whole prices accepts the first price with cents.
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

/// The largest integer up to which every integer is exact as a DOUBLE.
const EXACT: u64 = 1 << 53;

/// Whether two keys are the same columns in the same order.
pub(super) fn is_same_key(a: &[String], b: &[String]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_name(a, b))
}

/// The tables of a read-only database, opened on first use.
pub struct KnownTables<'a> {
    database: &'a Path,
    connection: OnceCell<Option<Connection>>,
}

impl<'a> KnownTables<'a> {
    /// The tables of a database, which need not exist.
    pub const fn of(database: &'a Path) -> Self {
        Self { database, connection: OnceCell::new() }
    }

    /// The conflicts of rows with these columns and this key (`None` if rows are only appended) with the table. A
    /// database locked by a run yields none: the next run finds them.
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
    // Another program's database has no recorded keys.
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
