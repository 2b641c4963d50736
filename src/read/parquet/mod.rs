//! Parquet, read with DuckDB: its types, with columns united over all files. Called by
//! [`describe`](super::describe) and [`rows`](super::rows).

mod pieces;
mod rows;
mod value;

use std::{cell::OnceCell, path::Path, sync::Arc};

use duckdb::Connection;

use crate::{
    files::{FileSet, Stamp},
    record::{LogicalType, Schema, literal, parse_type},
    sql,
};

use super::{
    Description, FileDescription, KeyCounts, Options, ReadError,
    columns::{Names, check_declared},
    description::Column,
};

pub(super) use rows::rows;

/// The columns of files. Types of a column are widened to the smallest one that holds all values.
pub(super) fn describe(
    set: &FileSet,
    files: Vec<Arc<str>>,
    options: &Options,
) -> Result<Description, ReadError> {
    let engine = Engine::default();
    let connection = engine.connection()?;
    let mut names = Names::default();
    let mut types: Vec<(LogicalType, Arc<str>)> = Vec::new();
    let mut values: Vec<u64> = Vec::new();
    let mut described = Vec::new();
    for file in files {
        let path = set.locate(&file);
        let stamp = stamp(&path, &file)?;
        let columns = columns(connection, &path)
            .map_err(|error| ReadError::Damaged { file: Arc::clone(&file), reason: message(&error) })?;
        for (name, of) in &columns {
            let at = names.add(name);
            let Some((known, first)) = types.get_mut(at) else {
                types.push((of.clone(), Arc::clone(&file)));
                continue;
            };
            if options.types.get(name).is_some() {
                continue;
            }
            *known = known.widened(of).ok_or_else(|| ReadError::Conflict {
                column: name.clone(),
                first: (Arc::clone(first), known.sql()),
                second: (Arc::clone(&file), of.sql()),
            })?;
        }
        let sql =
            format!("SELECT CAST(sum(num_rows) AS BIGINT) FROM parquet_file_metadata({})", pattern_of(&path));
        let rows: Option<i64> = connection
            .query_row(&sql, [], |row| row.get(0))
            .map_err(|error| ReadError::Damaged { file: Arc::clone(&file), reason: message(&error) })?;
        let rows = rows.unwrap_or_default().unsigned_abs();
        let nulls = nulls(connection, &path)
            .map_err(|error| ReadError::Damaged { file: Arc::clone(&file), reason: message(&error) })?;
        values.resize(names.len(), 0);
        for (name, _) in &columns {
            let nulls = nulls.iter().find(|(column, _)| column == name).map_or(0, |(_, nulls)| *nulls);
            values[names.add(name)] += rows.saturating_sub(nulls);
        }
        described.push(FileDescription {
            path: file,
            stamp,
            names: columns.into_iter().map(|(name, _)| name.into()).collect(),
            delimiter: None,
            proven: 0,
            whole: true,
            rows,
            bad: 0,
            keys: KeyCounts::default(),
        });
    }
    check_declared(options, &names, true)?;
    let fields = names
        .all()
        .iter()
        .zip(types)
        .map(|(name, (of, _))| (Arc::clone(name), options.types.get(name).cloned().unwrap_or(of)));
    let rows: u64 = described.iter().map(|file| file.rows).sum();
    let columns = names.all().iter().zip(values).map(|(name, values)| Column {
        declared: options.types.get(name).is_some(),
        evidence: None,
        empty: rows.saturating_sub(values),
        mixed: false,
    });
    Ok(Description {
        schema: Schema::new(fields),
        columns: columns.collect(),
        files: described,
        skipped: Vec::new(),
        proofs: Vec::new(),
    })
}

fn columns(connection: &Connection, path: &Path) -> Result<Vec<(String, LogicalType)>, duckdb::Error> {
    let sql = format!("DESCRIBE SELECT * FROM read_parquet({})", pattern_of(path));
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, parse_type(&row.get::<_, String>(1)?).as_column()))
    })?;
    rows.collect()
}

/// The NULLs of each column that is no list or struct, where the file says how many there are.
fn nulls(connection: &Connection, path: &Path) -> Result<Vec<(String, u64)>, duckdb::Error> {
    let sql = format!(
        "SELECT path_in_schema, CAST(sum(stats_null_count) AS BIGINT) FROM parquet_metadata({})
         GROUP BY ALL HAVING sum(stats_null_count) > 0",
        pattern_of(path)
    );
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
    rows.collect()
}

/// DuckDB, started with the first file, as a separate database: its single thread keeps the row order and
/// limits memory.
#[derive(Default)]
pub(super) struct Engine(OnceCell<Connection>);

impl Engine {
    fn connection(&self) -> Result<&Connection, ReadError> {
        if let Some(connection) = self.0.get() {
            return Ok(connection);
        }
        let failed = |error: duckdb::Error| ReadError::Engine(message(&error));
        let connection = Connection::open_in_memory().map_err(failed)?;
        connection
            .execute_batch(
                "SET threads = 1; SET enable_external_file_cache = false; SET streaming_buffer_size = '1KB';
                 SET allocator_flush_threshold = '512KB'; SET allocator_bulk_deallocation_flush_threshold = '1MB'",
            )
            .map_err(failed)?;
        Ok(self.0.get_or_init(|| connection))
    }
}

fn stamp(path: &Path, file: &Arc<str>) -> Result<Stamp, ReadError> {
    let meta = std::fs::metadata(path).map_err(|error| ReadError::Open { file: Arc::clone(file), error })?;
    Ok(Stamp::of(&meta))
}

/// A path as an SQL list of one, with pattern characters escaped.
fn pattern_of(path: &Path) -> String {
    let mut escaped = String::new();
    for c in path.to_string_lossy().chars() {
        match c {
            '*' | '?' | '[' => escaped.extend(['[', c, ']']),
            c => escaped.push(c),
        }
    }
    literal(&escaped)
}

/// DuckDB's message in the terms of a pipeline.
pub(super) fn message(error: &duckdb::Error) -> String {
    sql::reason(&sql::message(error))
}

#[cfg(test)]
mod tests;
