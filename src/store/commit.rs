//! Commits a batch of answers, rows and failures in one transaction.

use std::sync::Arc;

use duckdb::{Connection, params};

use crate::{
    fault_injection,
    ledger::{Entry, JobStep},
    record::{FailureKind, Value},
    sql::Row,
};

use super::{
    Duplicates, JobRecord, Run, Store, StoreError, Table,
    duplicates::Repeated,
    jobs, journal,
    origins::{self, Origin},
    ownership::{self, Read},
    runs, sink_table, transaction, trim_memory,
};

/// From this number of steps on, a commit comes from a job rather than from single answers, and has read much.
const LARGE: usize = 256;

/// The content of one transaction.
#[derive(Debug, Default)]
pub struct Batch {
    /// Steps of requests.
    pub entries: Vec<Entry>,
    /// Steps of jobs.
    pub jobs: Vec<(JobRecord, JobStep)>,
    /// Rows of sinks.
    pub rows: Vec<SinkRows>,
    /// Records that failed permanently.
    pub failures: Vec<FailureRow>,
    /// Records read by sources.
    pub read: Vec<Read>,
}

/// Rows of one sink.
#[derive(Debug)]
pub struct SinkRows {
    /// The sink's table.
    pub table: Table,
    /// The rows, with values in the order of the table's columns.
    pub rows: Vec<SinkRow>,
}

/// A row of a sink.
#[derive(Debug)]
pub struct SinkRow {
    /// Its values, and its owner behind them.
    values: Row,
    /// The key of its record.
    record: Arc<str>,
    /// The source records of the row.
    sources: Arc<[i64]>,
    /// Its origin, if it holds an answer.
    origin: Option<Origin>,
}

impl SinkRow {
    /// A row of a record with this key, that came from these source records; with an origin if it holds an answer.
    pub fn new(
        mut values: Vec<Value>,
        record: Arc<str>,
        sources: Arc<[i64]>,
        origin: Option<Origin>,
    ) -> Self {
        values.push(Value::Integer(ownership::owner_of(&sources)));
        Self { values: values.into(), record, sources, origin }
    }
}

/// A row of the failures table.
#[derive(Debug, Clone, PartialEq)]
pub struct FailureRow {
    /// The stage that it failed in.
    pub stage: String,
    /// The record's key.
    pub key: String,
    /// The kind of failure.
    pub kind: FailureKind,
    /// The reason.
    pub reason: String,
    /// Requests sent for it.
    pub attempts: u32,
    /// The refused answer.
    pub reply: Option<String>,
    /// The source records of the failed record.
    pub sources: Arc<[i64]>,
}

/// Rows of a commit whose key occurred before in the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Committed {
    /// Duplicates recorded as failures.
    pub failures: u64,
    /// Duplicates not written, or replacing another row.
    pub duplicates: u64,
}

impl Store {
    /// Makes a batch durable; returns when it is. This wait is the backpressure on everything upstream. Returns
    /// the number of rows whose key was written before in this run.
    ///
    /// # Errors
    /// When the database fails; then nothing of the batch is stored.
    pub async fn commit(&self, run: Run, server: &str, batch: Batch) -> Result<Committed, StoreError> {
        let (server, readers) = (server.to_owned(), self.readers.clone());
        let limits = Arc::clone(&self.limits);
        self.with(move |connection| {
            let committed = transaction(connection, |t| {
                journal::add(t, run, &server, &batch.entries)?;
                jobs::add(t, run, &batch.jobs)?;
                if !batch.entries.is_empty() {
                    fault_injection::point("inside_commit");
                    fault_injection::check("ledger")?;
                }
                let (mut failures, mut duplicates) = (Vec::new(), 0);
                for rows in &batch.rows {
                    fault_injection::check("sink")?;
                    let (failed, repeated) = write(t, run, &server, rows)?;
                    failures.extend(failed);
                    duplicates += repeated;
                }
                let committed = Committed { failures: failures.len() as u64, duplicates };
                failures.extend(batch.failures.iter().cloned());
                add_failures(t, run, &failures)?;
                ownership::add_read(t, run, &batch.read)?;
                Ok(committed)
            })?;
            let large = !batch.rows.is_empty() || batch.entries.len() >= LARGE;
            if large {
                trim_memory(connection, &readers, &limits)?;
            }
            Ok(committed)
        })
        .await
    }
}

/// Writes rows and their origins; returns failures for rows whose key was written before, or the number of
/// duplicates if they do not fail.
fn write(
    connection: &Connection,
    run: Run,
    server: &str,
    SinkRows { table, rows }: &SinkRows,
) -> Result<(Vec<FailureRow>, u64), StoreError> {
    if table.owned.is_some() {
        ownership::add_sets(connection, rows.iter().map(|row| &*row.sources))?;
    }
    let values = rows.iter().map(|row| Arc::clone(&row.values)).collect();
    let Repeated { unwritten, replacing, foreign } = sink_table::insert(connection, table, values)?;
    let is_foreign = |at: &usize| foreign.iter().any(|(other, _)| other == at);
    let is_written = |at: &usize| unwritten.binary_search(at).is_err() && !is_foreign(at);
    let written = rows.iter().enumerate().filter(|(at, _)| is_written(at));
    let origins: Vec<&Origin> = written.filter_map(|(_, row)| row.origin.as_ref()).collect();
    origins::add(connection, run, server, &table.name(), &origins)?;
    let names = table.key.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
    let mut refused: Vec<(usize, Option<String>)> =
        foreign.into_iter().map(|(at, pipeline)| (at, Some(pipeline))).collect();
    let mut duplicates = replacing;
    match table.duplicates {
        Duplicates::Fail => refused.extend(unwritten.into_iter().map(|at| (at, None))),
        Duplicates::First | Duplicates::Last => duplicates += unwritten.len() as u64,
    }
    let failure = |(at, pipeline): (usize, Option<String>)| FailureRow {
        stage: table.stage.clone(),
        key: rows[at].record.to_string(),
        kind: FailureKind::DuplicateKey,
        reason: match pipeline {
            None => format!(
                "another record of this run has the same {names}: its row was kept, and this one was not written"
            ),
            Some(other) => format!(
                "pipeline `{other}` wrote the row with the same {names}: it was kept, and this one was not written"
            ),
        },
        attempts: 0,
        reply: None,
        sources: Arc::clone(&rows[at].sources),
    };
    Ok((refused.into_iter().map(failure).collect(), duplicates))
}

fn add_failures(connection: &Connection, run: Run, failures: &[FailureRow]) -> Result<(), StoreError> {
    if failures.is_empty() {
        return Ok(());
    }
    ownership::add_unsettled(
        connection,
        run,
        failures.iter().map(|failure| (&*failure.stage, &*failure.sources)),
    )?;
    let now = runs::now();
    let mut appender = connection.appender_to_db("failures", "etl")?;
    for failure in failures {
        appender.append_row(params![
            run.0,
            failure.stage,
            failure.key,
            failure.kind.as_str(),
            failure.reason,
            failure.attempts,
            failure.reply,
            now
        ])?;
    }
    appender.flush()?;
    Ok(())
}
