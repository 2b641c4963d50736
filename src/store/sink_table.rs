//! Sink tables: made or checked before anything is requested, written in batches, put in place at the end.

use std::{path::PathBuf, sync::Arc};

use duckdb::Connection;

use crate::{
    event::TableChange,
    fault,
    record::{LogicalType, Schema, Value, quote, same_name},
    sql::{Row, Slot},
};

use super::{
    Run, Store, StoreError,
    duplicates::{self, Duplicates, Repeated},
    existing_table::{self, ColumnChange},
    ownership,
    sink_file::{self, FileFormat},
    transaction,
};

/// A sink as the database knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The stage's name.
    pub stage: String,
    /// Where its rows end up.
    pub target: SinkTarget,
    /// Its columns.
    pub columns: Vec<(String, LogicalType)>,
    /// The columns that identify a row.
    pub key: Vec<String>,
    /// Whether rows that a run no longer writes are removed, and how; `None` where rows stay.
    pub owned: Option<Owned>,
    /// How rows meet rows that are there.
    pub mode: SinkMode,
    /// What becomes of a second row with the same key in one run.
    pub duplicates: Duplicates,
}

/// Where the rows of a sink end up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkTarget {
    /// In a table.
    Table(String),
    /// In a file, written by DuckDB.
    File {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: FileFormat,
    },
}

/// What happens to rows of earlier runs that a run does not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owned {
    /// To those whose record failed.
    pub stale: Stale,
    /// Whether those go whose record has left its source.
    pub gone: bool,
}

/// What happens to an older row whose record failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in the language")]
pub enum Stale {
    Keep,
    Delete,
    Mark,
}

/// How rows meet rows that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in the language")]
pub enum SinkMode {
    Upsert,
    Append,
    Replace,
}

impl Table {
    /// What its rows are known by in the ledger: the table's name or the file's path.
    pub(super) fn name(&self) -> String {
        match &self.target {
            SinkTarget::Table(table) => table.clone(),
            SinkTarget::File { path, .. } => path.display().to_string(),
        }
    }

    /// Whether a key identifies its rows: then it comes once in a run.
    pub(super) fn is_keyed(&self) -> bool {
        !self.key.is_empty() && self.mode != SinkMode::Append
    }

    /// The table that rows are written to while the run goes on. What is to be replaced stays as it is
    /// until the run has ended, so that a run that is cut off replaces nothing.
    fn working(&self) -> String {
        match (&self.target, self.mode) {
            (SinkTarget::Table(table), SinkMode::Upsert | SinkMode::Append) => {
                format!("main.{}", quote(table))
            }
            _ => format!("etl.{}", quote(&format!("next_{}", self.stage))),
        }
    }

    /// The keys that this run has written.
    pub(super) fn written(&self) -> String {
        self.temporary("written")
    }

    /// The rows that this run has written, with their owners.
    pub(super) fn owned_rows(&self) -> String {
        self.temporary("owned")
    }

    /// The rows of other pipelines.
    pub(super) fn foreign_rows(&self) -> String {
        self.temporary("foreign")
    }

    /// A table of the run's own, shared by all sinks of one target.
    fn temporary(&self, what: &str) -> String {
        format!("temp.{}", quote(&format!("{what}_{}", self.name().to_lowercase())))
    }

    /// The columns of the key, of a relation of this name.
    pub(super) fn key_columns(&self, relation: &str) -> Vec<String> {
        let places = self.key_places().into_iter();
        places.map(|at| format!("{relation}.{}", quote(&self.columns[at].0))).collect()
    }

    /// The same in `staged`, of which `relation` is the alias.
    pub(super) fn staged_key(&self, relation: &str) -> Vec<String> {
        self.key_places().into_iter().map(|at| format!("{relation}.v{at}")).collect()
    }

    fn definitions(&self) -> String {
        let columns: Vec<String> =
            self.columns.iter().map(|(name, of)| format!("{} {}", quote(name), of.sql())).collect();
        columns.join(", ")
    }

    /// The places of the key's columns.
    pub(super) fn key_places(&self) -> Vec<usize> {
        let place = |name: &String| self.columns.iter().position(|(column, _)| same_name(column, name));
        self.key.iter().filter_map(place).collect()
    }
}

/// Writes rows, each with its owner, within the transaction of the caller. Gives those whose key is not theirs to
/// write.
pub(super) fn insert(
    connection: &Connection,
    table: &Table,
    rows: &[(Row, i64)],
) -> Result<Repeated, StoreError> {
    // Columns by their place, so that no name of a user's meets one of ours.
    let values = table.columns.iter().enumerate().map(|(at, (_, of))| (format!("v{at}"), of.clone()));
    let own = ["r", "o"].map(|name| (name.to_owned(), LogicalType::BigInt));
    let slot = Slot::new(Schema::new(own.into_iter().chain(values)));
    let numbered = rows.iter().enumerate().map(|(at, (row, owner))| -> Row {
        [Value::Integer(at as i64), Value::Integer(*owner)].into_iter().chain(row.iter().cloned()).collect()
    });
    slot.set(numbered.collect::<Vec<_>>().into());
    connection.execute_batch(&format!("CREATE OR REPLACE TEMP TABLE staged AS FROM {}", slot.relation()))?;
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
    let meets_rows = table.mode == SinkMode::Upsert || repeated.replacing > 0;
    if meets_rows && table.is_keyed() {
        let places = table.key_places();
        let on: Vec<String> =
            places.iter().map(|at| format!("t.{} IS NOT DISTINCT FROM n.v{at}", names[*at])).collect();
        let mut set: Vec<String> =
            names.iter().zip(&values).map(|(name, value)| format!("{name} = {value}")).collect();
        // A row belongs to one answer: columns that are no longer written do not keep an older one's values.
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
        connection.execute_batch(&format!(
            "INSERT INTO {working} ({list}) SELECT {values_list} FROM staged AS n ORDER BY n.r"
        ))?;
    }
    connection.execute_batch("DROP TABLE staged")?;
    Ok(repeated)
}

impl Store {
    /// Makes the tables of the sinks, or changes those that are there so that the rows fit.
    ///
    /// # Errors
    /// A column whose type would lose values, before anything was requested; or when the database fails.
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

    /// Puts the rows of all sinks in their place, at the end of a run that was not cut off: tables in one
    /// transaction, then the files. Rows of earlier runs go whose records this run settled without writing them
    /// again; gives what became of them, by table.
    ///
    /// # Errors
    /// A file that cannot be written; or when the database fails.
    pub async fn finish(
        &self,
        run: Run,
        pipeline: &str,
        tables: Vec<Table>,
    ) -> Result<Vec<TableChange>, StoreError> {
        let pipeline = pipeline.to_owned();
        self.with(move |connection| {
            fault::point("before_replace");
            let changes = transaction(connection, |t| {
                let changes = ownership::settle(t, run, &pipeline, &tables)?;
                tables.iter().try_for_each(|table| replace(t, table))?;
                Ok(changes)
            })?;
            tables.iter().try_for_each(|table| write(connection, table))?;
            Ok(changes)
        })
        .await
    }
}

/// The columns of a sink's table, if it is one.
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
            "CREATE OR REPLACE TABLE main.{name} AS FROM {working}; DROP TABLE {working};"
        ))?;
    }
    Ok(())
}

fn write(connection: &Connection, table: &Table) -> Result<(), StoreError> {
    if let SinkTarget::File { path, format } = &table.target {
        let working = table.working();
        let names: Vec<&str> = table.columns.iter().map(|(name, _)| name.as_str()).collect();
        sink_file::write(connection, &working, &names, path, *format)?;
        connection.execute_batch(&format!("DROP TABLE {working}"))?;
    }
    Ok(())
}
