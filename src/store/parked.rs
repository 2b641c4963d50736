//! Records with requests in batch jobs: stored on disk by job until their answers arrive.

use std::sync::Arc;

use duckdb::{Connection, params};

use crate::{
    ledger::RequestId,
    record::{LogicalType, Record, Schema, Value, literal, quote},
};

use super::{
    Store, StoreError,
    record_table::{RecordTable, integer},
    transaction,
};

/// A record that waits for a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Parked {
    /// Its unique place among the stage's parked records.
    pub place: i64,
    /// The request that it waits for; `None` if it only passes through.
    pub request: Option<RequestId>,
    /// The last attempt that this run may make.
    pub until: u32,
    /// The record.
    pub record: Record,
}

fn qualified(stage: &str) -> String {
    format!("etl.{}", quote(&format!("parked.{stage}")))
}

/// The table layout for records of a schema.
fn layout(schema: &Arc<Schema>) -> RecordTable {
    let own = [
        ("place", LogicalType::BigInt),
        ("job", LogicalType::Varchar),
        ("request", LogicalType::Uuid),
        ("until", LogicalType::BigInt),
    ];
    RecordTable::new(&own, schema)
}

impl Store {
    /// Prepares to park the records of a stage. Those of an earlier run are dropped: its requests and jobs are in
    /// the ledger, and its records are read again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn clear_parked(&self, stage: &str, schema: &Arc<Schema>) -> Result<(), StoreError> {
        let (table, definition) = (qualified(stage), layout(schema).definition());
        self.execute(format!("CREATE OR REPLACE TABLE {table} ({definition})")).await
    }

    /// Parks records with jobs, by token. Returns those whose job has already emitted its records.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn park(
        &self,
        stage: &str,
        schema: &Arc<Schema>,
        mut records: Vec<(String, Parked)>,
    ) -> Result<Vec<(String, Parked)>, StoreError> {
        if records.is_empty() {
            return Ok(records);
        }
        let (table, closed, layout) = (qualified(stage), self.closed.clone(), layout(schema));
        self.with(move |connection| {
            let late = match closed.lock() {
                Ok(closed) => records.extract_if(.., |(job, _)| closed.contains(job)).collect(),
                Err(_) => Vec::new(),
            };
            transaction(connection, |t| park(t, &table, &layout, records))?;
            Ok(late)
        })
        .await
    }

    /// The next `count` records of a job from `place` on.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn parked(
        &self,
        stage: &str,
        schema: &Arc<Schema>,
        job: &str,
        place: i64,
        count: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        let (table, job, layout) = (qualified(stage), job.to_owned(), layout(schema));
        self.with(move |connection| parked(connection, &table, &layout, &job, place, count)).await
    }

    /// The same; if there are none, the job is closed atomically: its records are deleted, and no more are parked
    /// with it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn parked_or_close(
        &self,
        stage: &str,
        schema: &Arc<Schema>,
        job: &str,
        place: i64,
        count: usize,
    ) -> Result<Vec<Parked>, StoreError> {
        let (table, job, closed) = (qualified(stage), job.to_owned(), self.closed.clone());
        let layout = layout(schema);
        self.with(move |connection| {
            let page = parked(connection, &table, &layout, &job, place, count)?;
            if page.is_empty() {
                connection.execute(&format!("DELETE FROM {table} WHERE job = ?"), params![job])?;
                if let Ok(mut closed) = closed.lock() {
                    closed.insert(job);
                }
            }
            Ok(page)
        })
        .await
    }

    /// Moves records to other jobs.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn repark(&self, stage: &str, moves: Vec<(i64, String)>) -> Result<(), StoreError> {
        if moves.is_empty() {
            return Ok(());
        }
        let table = qualified(stage);
        self.with(move |connection| {
            let values: Vec<String> =
                moves.iter().map(|(place, job)| format!("({place}, {})", literal(job))).collect();
            connection.execute_batch(&format!(
                "UPDATE {table} SET job = m.job FROM (VALUES {}) AS m(place, job) WHERE {table}.place = m.place",
                values.join(", ")
            ))?;
            Ok(())
        })
        .await
    }

    /// Deletes all parked records of a stage.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unpark(&self, stage: &str) -> Result<(), StoreError> {
        self.execute(format!("DROP TABLE IF EXISTS {}", qualified(stage))).await
    }
}

fn parked(
    connection: &Connection,
    table: &str,
    layout: &RecordTable,
    job: &str,
    place: i64,
    count: usize,
) -> Result<Vec<Parked>, StoreError> {
    let job = literal(job);
    let clause = format!("WHERE job = {job} AND place >= {place} ORDER BY place LIMIT {count}");
    let found = layout.read(connection, table, &clause)?;
    let parked = found.into_iter().map(|(own, record)| Parked {
        place: integer(&own[0]),
        request: own[2].leaf().and_then(|request| RequestId::parse(&request)),
        until: integer(&own[3]) as u32,
        record,
    });
    Ok(parked.collect())
}

fn park(
    connection: &Connection,
    table: &str,
    layout: &RecordTable,
    records: Vec<(String, Parked)>,
) -> Result<(), StoreError> {
    let rows = records.into_iter().map(|(job, parked)| {
        let request = parked.request.map_or(Value::Null, |request| Value::from(request.to_string()));
        let own = vec![
            Value::Integer(parked.place),
            Value::from(job),
            request,
            Value::Integer(i64::from(parked.until)),
        ];
        (own, parked.record)
    });
    layout.insert(connection, table, rows)
}
