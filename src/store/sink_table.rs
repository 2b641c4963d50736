//! Sink tables: created or checked before any request, written in batches, put in place at the end.

use std::sync::Arc;

use duckdb::Connection;

use crate::{
    event::TableChange,
    fault_injection,
    record::{LogicalType, Schema, quote, same_name},
    sql::{Row, Slot},
};

use super::{
    Run, Store, StoreError,
    duplicates::{self, Repeated},
    existing_table::{self, ColumnChange},
    ownership, settle, sink_file,
    table::{SinkMode, SinkTarget, Table},
    transaction,
};

/// Writes rows with their owners, within the caller's transaction. Returns the rows whose key must not be written.
pub(super) fn insert(
    connection: &Connection,
    table: &Table,
    rows: Arc<[Row]>,
) -> Result<Repeated, StoreError> {
    // Columns are numbered, so that a user's column names cannot clash with ours.
    let values = table.columns.iter().enumerate().map(|(at, (_, of))| (format!("v{at}"), of.clone()));
    let owner = ("o".to_owned(), LogicalType::BigInt);
    let slot = Slot::new(Schema::new(values.chain([owner])));
    slot.set(rows);
    connection.execute_batch(&format!(
        "CREATE OR REPLACE TEMP TABLE staged AS SELECT row_number() OVER () - 1 AS r, * FROM {}",
        slot.relation()
    ))?;
    slot.set(Arc::new([]));
    let repeated = match table.is_keyed() {
        true => duplicates::remove(connection, table)?,
        false => Repeated::default(),
    };
    ownership::note(connection, table)?;
    let working = table.working();
    let names: Vec<String> = table.columns.iter().map(|(name, _)| quote(name)).collect();
    let values: Vec<String> = (0..names.len()).map(|at| format!("n.v{at}")).collect();
    let (list, values_list) = (names.join(", "), values.join(", "));
    if table.is_keyed() && (repeated.replacing > 0 || holds_other_rows(connection, table)?) {
        let places = table.key_places();
        let on: Vec<String> =
            places.iter().map(|at| format!("t.{} IS NOT DISTINCT FROM n.v{at}", names[*at])).collect();
        let mut set: Vec<String> =
            names.iter().zip(&values).map(|(name, value)| format!("{name} = {value}")).collect();
        // A row belongs to one answer: columns no longer written do not keep values of an older one.
        let others = match table.mode {
            SinkMode::Upsert => columns_of(connection, table)?,
            SinkMode::Append | SinkMode::Replace => Vec::new(),
        };
        let others = others
            .iter()
            .filter(|(name, _)| !table.columns.iter().any(|(column, _)| same_name(column, name)));
        set.extend(others.map(|(name, _)| format!("{} = NULL", quote(name))));
        connection.execute_batch(&format!(
            "MERGE INTO {working} AS t USING staged AS n ON {}
             WHEN MATCHED THEN UPDATE SET {} WHEN NOT MATCHED THEN INSERT ({list}) VALUES ({values_list})",
            on.join(" AND "),
            set.join(", ")
        ))?;
    } else {
        // DuckDB keeps the order of `staged`.
        connection.execute_batch(&format!(
            "INSERT INTO {working} ({list}) SELECT {values_list} FROM staged AS n"
        ))?;
    }
    connection.execute_batch("DROP TABLE staged")?;
    Ok(repeated)
}

impl Store {
    /// Creates the tables of the sinks, or changes existing ones so that the rows fit.
    ///
    /// # Errors
    /// A column whose type would lose values, before any request is sent; or when the database fails.
    pub async fn prepare(&self, pipeline: &str, tables: Vec<Table>) -> Result<(), StoreError> {
        let pipeline = pipeline.to_owned();
        self.with(move |connection| {
            transaction(connection, |t| {
                tables.iter().try_for_each(|table| {
                    prepare(t, table)?;
                    ownership::prepare(t, table, &pipeline)
                })
            })
        })
        .await
    }

    /// Puts the rows of all sinks in place, at the end of an uninterrupted run: tables in one transaction, then
    /// the files. Removes rows of earlier runs whose records were settled without writing them again. Returns the
    /// changes by table. `incomplete` are the sources with records that cannot be read.
    ///
    /// # Errors
    /// A file that cannot be written; or when the database fails.
    pub async fn finish(
        &self,
        run: Run,
        pipeline: &str,
        tables: Vec<Table>,
        incomplete: Vec<String>,
    ) -> Result<Vec<TableChange>, StoreError> {
        let pipeline = pipeline.to_owned();
        self.with(move |connection| {
            fault_injection::point("before_replace");
            let changes = transaction(connection, |t| {
                let changes = settle::settle(t, run, &pipeline, &tables, &incomplete)?;
                tables.iter().try_for_each(|table| replace(t, table))?;
                Ok(changes)
            })?;
            tables.iter().try_for_each(|table| write(connection, table))?;
            Ok(changes)
        })
        .await
    }
}

/// Whether a table has rows not written in this run. If not, no key of a batch exists there: duplicates within
/// the run have been removed.
fn holds_other_rows(connection: &Connection, table: &Table) -> Result<bool, StoreError> {
    let rows = |of: &str| -> Result<i64, StoreError> {
        Ok(connection.query_row(&format!("SELECT count(*) FROM {of}"), [], |row| row.get(0))?)
    };
    let new = rows("staged")?;
    Ok(table.mode == SinkMode::Upsert && rows(&table.working())? + new != rows(&table.written())?)
}

/// The columns of a sink's table, if its target is one.
fn columns_of(connection: &Connection, table: &Table) -> Result<Vec<(String, LogicalType)>, StoreError> {
    let SinkTarget::Table(name) = &table.target else { return Ok(Vec::new()) };
    Ok(existing_table::columns(connection, name)?)
}

fn prepare(connection: &Connection, table: &Table) -> Result<(), StoreError> {
    let (working, definitions) = (table.working(), table.definitions());
    if table.is_keyed() {
        let keys: Vec<String> = table
            .key_places()
            .iter()
            .enumerate()
            .map(|(at, place)| format!("k{at} {}", table.columns[*place].1.sql()))
            .collect();
        connection.execute_batch(&format!(
            "CREATE OR REPLACE TEMP TABLE {} ({})",
            table.written(),
            keys.join(", ")
        ))?;
    }
    let name = match &table.target {
        SinkTarget::Table(name) if table.mode != SinkMode::Replace => name,
        _ => {
            connection.execute_batch(&format!("CREATE OR REPLACE TABLE {working} ({definitions})"))?;
            return Ok(());
        }
    };
    connection.execute_batch(&format!("CREATE TABLE IF NOT EXISTS {working} ({definitions})"))?;
    let there = existing_table::columns(connection, name)?;
    for (column, writes) in &table.columns {
        let quoted = quote(column);
        match existing_table::change(connection, name, &there, (column, writes))? {
            ColumnChange::None => {}
            ColumnChange::New => {
                connection
                    .execute_batch(&format!("ALTER TABLE {working} ADD COLUMN {quoted} {}", writes.sql()))?;
            }
            ColumnChange::Wider(wide) => connection.execute_batch(&format!(
                "ALTER TABLE {working} ALTER COLUMN {quoted} SET DATA TYPE {}",
                wide.sql()
            ))?,
            ColumnChange::Lossy(has) => {
                return Err(StoreError::Column {
                    table: name.clone(),
                    column: column.clone(),
                    has: has.sql(),
                    writes: writes.sql(),
                });
            }
        }
    }
    Ok(())
}

fn replace(connection: &Connection, table: &Table) -> Result<(), StoreError> {
    if let (SinkTarget::Table(name), SinkMode::Replace) = (&table.target, table.mode) {
        let (name, working) = (quote(name), table.working());
        connection.execute_batch(&format!(
            "DROP TABLE IF EXISTS main.{name}; ALTER TABLE {working} RENAME TO {name};"
        ))?;
    }
    Ok(())
}

fn write(connection: &Connection, table: &Table) -> Result<(), StoreError> {
    if let SinkTarget::File { path, format } = &table.target {
        let working = table.working();
        let names: Vec<&str> = table.columns.iter().map(|(name, _)| name.as_str()).collect();
        sink_file::write(connection, &working, &names, path, format)?;
        connection.execute_batch(&format!("DROP TABLE {working}"))?;
    }
    Ok(())
}
