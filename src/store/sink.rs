//! Sink tables: made or checked before anything is asked, written in batches, put in place at the end.

use std::path::{Path, PathBuf};

use duckdb::Connection;
use serde_json::{Map, Value};

use crate::{
    datatype::{DataType, quote},
    fault,
};

use super::{Store, StoreError, transaction};

/// A sink as the database knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The stage's name.
    pub stage: String,
    /// Where its rows end up.
    pub target: SinkTarget,
    /// Its columns.
    pub columns: Vec<(String, DataType)>,
    /// The column that identifies a row.
    pub key: Option<String>,
    /// How rows meet rows that are there.
    pub mode: SinkMode,
}

/// Where the rows of a sink end up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkTarget {
    /// In a table.
    Table(String),
    /// In a file, written by DuckDB with these options of `COPY`.
    File {
        /// The file.
        path: PathBuf,
        /// What stands in the brackets of `COPY … TO … (…)`.
        options: &'static str,
    },
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

    pub(super) fn upserts(&self) -> bool {
        self.mode == SinkMode::Upsert && self.key.is_some()
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

    fn definitions(&self) -> String {
        let columns: Vec<String> =
            self.columns.iter().map(|(name, of)| format!("{} {}", quote(name), of.sql())).collect();
        columns.join(", ")
    }

    /// From the JSON rows in `staged` into the working table.
    pub(super) fn insert(&self) -> String {
        let structure: Map<String, Value> =
            self.columns.iter().map(|(name, of)| (name.clone(), structure(of))).collect();
        let structure = Value::Object(structure).to_string().replace('\'', "''");
        let rows =
            format!("SELECT r.* FROM (SELECT from_json_strict(value, '{structure}') AS r FROM staged)");
        let names: Vec<String> = self.columns.iter().map(|(name, _)| quote(name)).collect();
        let (table, list) = (self.working(), names.join(", "));
        match &self.key {
            Some(key) if self.upserts() => {
                let set: Vec<String> = names.iter().map(|name| format!("{name} = n.{name}")).collect();
                let values: Vec<String> = names.iter().map(|name| format!("n.{name}")).collect();
                let key = quote(key);
                format!(
                    "MERGE INTO {table} AS t USING ({rows}) AS n ON t.{key} IS NOT DISTINCT FROM n.{key}
                     WHEN MATCHED THEN UPDATE SET {} WHEN NOT MATCHED THEN INSERT ({list}) VALUES ({})",
                    set.join(", "),
                    values.join(", ")
                )
            }
            _ => format!("INSERT INTO {table} ({list}) {rows}"),
        }
    }
}

/// A type as `from_json` writes it.
pub(super) fn structure(of: &DataType) -> Value {
    match of {
        DataType::List(of) => Value::Array(vec![structure(of)]),
        DataType::Struct(fields) => {
            Value::Object(fields.iter().map(|(name, of)| (name.clone(), structure(of))).collect())
        }
        scalar => Value::from(scalar.sql()),
    }
}

impl Store {
    /// Makes the tables of the sinks, or checks that those that are there fit.
    ///
    /// # Errors
    /// A column of another type, before anything was asked; or when the database fails.
    pub async fn prepare(&self, tables: Vec<Table>) -> Result<(), StoreError> {
        self.with(move |connection| {
            transaction(connection, |t| tables.iter().try_for_each(|table| prepare(t, table)))
        })
        .await
    }

    /// Puts the rows of all sinks in their place, at the end of a run that was not cut off: tables in one
    /// transaction, then the files.
    ///
    /// # Errors
    /// A file that cannot be written; or when the database fails.
    pub async fn finish(&self, tables: Vec<Table>) -> Result<(), StoreError> {
        self.with(move |connection| {
            fault::point("before_replace");
            transaction(connection, |t| tables.iter().try_for_each(|table| replace(t, table)))?;
            tables.iter().try_for_each(|table| write(connection, table))
        })
        .await
    }
}

fn prepare(connection: &Connection, table: &Table) -> Result<(), StoreError> {
    let (working, definitions) = (table.working(), table.definitions());
    let name = match &table.target {
        SinkTarget::Table(name) if table.mode != SinkMode::Replace => name,
        _ => {
            connection.execute_batch(&format!("CREATE OR REPLACE TABLE {working} ({definitions})"))?;
            return Ok(());
        }
    };
    connection.execute_batch(&format!("CREATE TABLE IF NOT EXISTS {working} ({definitions})"))?;
    let mut statement = connection.prepare(
        "SELECT column_name, data_type FROM duckdb_columns()
         WHERE schema_name = 'main' AND lower(table_name) = lower(?) AND database_name = current_database()",
    )?;
    let there =
        statement.query_map([name], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let there: Vec<(String, String)> = there.collect::<Result<_, _>>()?;
    for (column, of) in &table.columns {
        let writes = of.sql();
        match there.iter().find(|(name, _)| name.eq_ignore_ascii_case(column)) {
            None => connection
                .execute_batch(&format!("ALTER TABLE {working} ADD COLUMN {} {writes}", quote(column)))?,
            Some((_, has)) if same_type(has, &writes) => {}
            Some((_, has)) => {
                return Err(StoreError::Column {
                    table: name.clone(),
                    column: column.clone(),
                    has: has.clone(),
                    writes,
                });
            }
        }
    }
    Ok(())
}

/// DuckDB quotes the names in a struct only where it must.
fn same_type(a: &str, b: &str) -> bool {
    a.replace('"', "").eq_ignore_ascii_case(&b.replace('"', ""))
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
    if let SinkTarget::File { path, options } = &table.target {
        let working = table.working();
        write_file(connection, &working, path, options)?;
        connection.execute_batch(&format!("DROP TABLE {working}"))?;
    }
    Ok(())
}

/// Under another name first: whoever reads the file sees all of it or the one before.
fn write_file(connection: &Connection, working: &str, path: &Path, options: &str) -> Result<(), StoreError> {
    let failed = |why: String| StoreError::File { path: path.to_owned(), why };
    let path = std::path::absolute(path).map_err(|error| failed(error.to_string()))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let partial = folder.join(format!(".{name}.partial"));
    let literal = partial.display().to_string().replace('\'', "''");
    connection.execute_batch(&format!("COPY {working} TO '{literal}' ({options})")).map_err(|error| {
        match StoreError::from(error) {
            StoreError::Sql(why) => failed(why),
            other => other,
        }
    })?;
    std::fs::rename(&partial, &path).map_err(|error| failed(error.to_string()))
}
