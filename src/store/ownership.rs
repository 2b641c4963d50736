//! Who owns a row: its pipeline and its source records. Noted during a run, compared at its end by
//! [`settle`](super::settle).
//!
//! Source records have 64-bit identities ([`origin_of`](crate::record::origin_of)); several form a set with a separate
//! identity, which is stored once. During a run, the records read and failed and the rows written are only appended, so
//! an interrupted run removes nothing, at no cost.

use std::{collections::HashMap, sync::Arc};

use duckdb::{
    Connection, Params,
    arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    params,
};

use crate::record::literal;

use super::{Run, Store, StoreError, existing_table, table::Table, transaction};

/// The identity of a set of source records; a single record keeps its own.
pub(super) fn owner_of(records: &[i64]) -> i64 {
    if let [record] = records {
        return *record;
    }
    let mut sorted = records.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut hasher = blake3::Hasher::new();
    for record in sorted {
        hasher.update(&record.to_le_bytes());
    }
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    i64::from_le_bytes(bytes)
}

/// Stores the sets that are not stored yet.
pub(super) fn add_sets<'a>(
    connection: &Connection,
    of: impl Iterator<Item = &'a [i64]>,
) -> Result<(), StoreError> {
    let sets: HashMap<i64, &[i64]> =
        of.filter(|records| records.len() > 1).map(|records| (owner_of(records), records)).collect();
    if sets.is_empty() {
        return Ok(());
    }
    connection.execute_batch("CREATE OR REPLACE TEMP TABLE staged_sets (owner BIGINT, member BIGINT)")?;
    {
        let mut appender = connection.appender("staged_sets")?;
        for (owner, members) in sets {
            for member in members {
                appender.append_row(params![owner, member])?;
            }
        }
        appender.flush()?;
    }
    // A member may itself be a set.
    connection.execute_batch(
        "INSERT INTO etl.owner_sets
         SELECT DISTINCT s.owner, coalesce(inner_set.member, s.member) FROM temp.staged_sets AS s
         LEFT JOIN etl.owner_sets AS inner_set ON inner_set.owner = s.member
         WHERE s.owner NOT IN (SELECT owner FROM etl.owner_sets);
         DROP TABLE temp.staged_sets",
    )?;
    Ok(())
}

/// The expression that identifies a row by its key, over columns with these names.
pub(super) fn row_of(columns: &[String]) -> String {
    let texts: Vec<String> = columns.iter().map(|column| format!("CAST({column} AS VARCHAR)")).collect();
    format!("hash({})", texts.join(", "))
}

/// Creates a run's temporary tables for a sink's target.
pub(super) fn prepare(connection: &Connection, table: &Table, pipeline: &str) -> Result<(), StoreError> {
    if table.owned.is_none() {
        return Ok(());
    }
    keep_key(connection, table)?;
    connection.execute_batch(&format!(
        "CREATE TEMP TABLE IF NOT EXISTS {} (row_hash UBIGINT, owner BIGINT)",
        table.owned_rows()
    ))?;
    connection.execute(
        &format!(
            "CREATE OR REPLACE TEMP TABLE {} AS SELECT row_hash, any_value(pipeline) AS pipeline
             FROM etl.row_owners WHERE target = $1 AND pipeline <> $2 GROUP BY row_hash",
            table.foreign_rows()
        ),
        params![table.name(), pipeline],
    )?;
    Ok(())
}

/// Stores the key of a table; fails if its rows have another key.
fn keep_key(connection: &Connection, table: &Table) -> Result<(), StoreError> {
    let target = table.name();
    match existing_table::key(connection, &target)? {
        Some(has) if existing_table::is_same_key(&has, &table.key) => Ok(()),
        Some(has) => {
            Err(StoreError::Key { table: target, has: has.join(", "), writes: table.key.join(", ") })
        }
        None => {
            let names: Vec<String> = table.key.iter().map(|name| literal(name)).collect();
            connection.execute(
                &format!("INSERT INTO etl.table_keys VALUES ($1, [{}])", names.join(", ")),
                params![target],
            )?;
            Ok(())
        }
    }
}

/// Whether there is any row in `from`, a relation with an optional `WHERE`.
pub(super) fn any(connection: &Connection, from: &str, of: impl Params) -> Result<bool, StoreError> {
    Ok(connection.query_row(&format!("SELECT EXISTS (FROM {from})"), of, |row| row.get(0))?)
}

/// The rows of `staged` whose key belongs to another pipeline's row, with its name.
pub(super) fn foreign(connection: &Connection, table: &Table) -> Result<Vec<(usize, String)>, StoreError> {
    if table.owned.is_none() {
        return Ok(Vec::new());
    }
    let foreign = table.foreign_rows();
    if !any(connection, &foreign, [])? {
        return Ok(Vec::new());
    }
    let row = row_of(&table.staged_key("s"));
    let query = format!(
        "SELECT s.r, f.pipeline FROM staged AS s JOIN {foreign} AS f ON f.row_hash = {row} ORDER BY 1"
    );
    let mut statement = connection.prepare(&query)?;
    let found = statement.query_map([], |row| Ok((row.get::<_, i64>(0)? as usize, row.get(1)?)))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Stores the rows of `staged`, which are being written, with their owners.
pub(super) fn note(connection: &Connection, table: &Table) -> Result<(), StoreError> {
    if table.owned.is_some() {
        let row = row_of(&table.staged_key("s"));
        connection.execute_batch(&format!(
            "INSERT INTO {} SELECT {row}, s.o FROM staged AS s",
            table.owned_rows()
        ))?;
    }
    Ok(())
}

/// Stores the records that failed in a run.
pub(super) fn add_unsettled<'a>(
    connection: &Connection,
    run: Run,
    failed: impl Iterator<Item = (&'a str, &'a [i64])> + Clone,
) -> Result<(), StoreError> {
    add_sets(connection, failed.clone().map(|(_, records)| records))?;
    let mut appender = connection.appender_to_db("unsettled_records", "etl")?;
    for (stage, records) in failed.filter(|(_, records)| !records.is_empty()) {
        appender.append_row(params![run.0, stage, owner_of(records)])?;
    }
    appender.flush()?;
    Ok(())
}

/// A record read by a source; `None` if the source was read to its end.
pub type Read = (Arc<str>, Option<i64>);

/// Stores the records read by sources, within the caller's transaction.
pub(super) fn add_read(connection: &Connection, run: Run, read: &[Read]) -> Result<(), StoreError> {
    if read.is_empty() {
        return Ok(());
    }
    let columns: [(&str, ArrayRef); 3] = [
        ("run", Arc::new(Int64Array::from_value(run.0, read.len()))),
        ("source", Arc::new(StringArray::from_iter_values(read.iter().map(|(source, _)| &**source)))),
        ("record", Arc::new(read.iter().map(|(_, record)| *record).collect::<Int64Array>())),
    ];
    let rows = RecordBatch::try_from_iter(columns)
        .map_err(|error| duckdb::Error::ToSqlConversionFailure(Box::new(error)))?;
    let mut appender = connection.appender_to_db("read_records", "etl")?;
    appender.append_record_batch(rows)?;
    Ok(appender.flush()?)
}

impl Store {
    /// Stores the records read by sources.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_read(&self, run: Run, read: Vec<Read>) -> Result<(), StoreError> {
        self.with(move |connection| add_read(connection, run, &read)).await
    }

    /// Drops the records read and failed in interrupted runs of a pipeline. For these stages, which this run does
    /// not repeat, it takes them over.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_over_read(&self, run: Run, stages: &[Arc<str>]) -> Result<(), StoreError> {
        let names: Vec<String> = stages.iter().map(|name| literal(name)).collect();
        let names = format!("[{}]::VARCHAR[]", names.join(", "));
        self.with(move |connection| {
            transaction(connection, |t| {
                for (table, stage) in [("read_records", "source"), ("unsettled_records", "stage")] {
                    let earlier = "run IN (SELECT run FROM etl.runs WHERE run < $1
                        AND pipeline = (SELECT pipeline FROM etl.runs WHERE run = $1))";
                    t.execute(
                        &format!(
                            "UPDATE etl.{table} SET run = $1
                             WHERE {earlier} AND list_contains({names}, {stage})"
                        ),
                        params![run.0],
                    )?;
                    t.execute(&format!("DELETE FROM etl.{table} WHERE {earlier}"), params![run.0])?;
                }
                Ok(())
            })
        })
        .await
    }
}
