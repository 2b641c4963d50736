//! The one way in: answers, rows and failures become durable together.

use std::collections::HashMap;

use duckdb::{Connection, params};

use crate::{
    fault,
    ledger::{Entry, JobStep},
    record::FailureKind,
};

use super::{
    JobRecord, Run, Store, StoreError, Table, jobs, journal, ledger, let_go,
    origins::{self, Origin},
    transaction,
};

/// Steps from which on a commit is one of a job, not of single answers as they come: so many have read much.
const LARGE: usize = 256;

/// What becomes durable in one transaction.
#[derive(Debug, Default)]
pub struct Batch {
    /// Steps of requests.
    pub entries: Vec<Entry>,
    /// Steps of jobs.
    pub jobs: Vec<(JobRecord, JobStep)>,
    /// Rows of sinks.
    pub rows: Vec<SinkRows>,
    /// Records that failed for good.
    pub failures: Vec<FailureRow>,
}

/// Rows of one sink.
#[derive(Debug)]
pub struct SinkRows {
    /// The sink's table.
    pub table: Table,
    /// Each row with the value of its key column, as a JSON object that fits the table's columns.
    pub rows: Vec<(String, String)>,
    /// Where those of them come from that hold an answer.
    pub origins: Vec<Origin>,
}

/// A row of the failures table.
#[derive(Debug, Clone, PartialEq)]
pub struct FailureRow {
    /// The stage that it failed in.
    pub stage: String,
    /// The record's key.
    pub key: String,
    /// What sort of failure it is.
    pub kind: FailureKind,
    /// Why.
    pub reason: String,
    /// Requests sent for it.
    pub attempts: u32,
    /// The answer that was refused.
    pub reply: Option<String>,
}

impl Store {
    /// Makes a batch durable; returns when it is. That wait is the backpressure on everything upstream.
    ///
    /// # Errors
    /// When the database fails; then nothing of the batch is there.
    pub async fn commit(&self, run: Run, server: &str, batch: Batch) -> Result<(), StoreError> {
        let (server, readers) = (server.to_owned(), self.readers.clone());
        self.with(move |connection| {
            transaction(connection, |t| {
                journal::add(t, run, &server, &batch.entries)?;
                jobs::add(t, run, &batch.jobs)?;
                if !batch.entries.is_empty() {
                    fault::point("inside_commit");
                }
                if !batch.entries.is_empty() {
                    fault::check("ledger")?;
                }
                for rows in &batch.rows {
                    fault::check("sink")?;
                    write(t, rows)?;
                    origins::add(t, run, &server, &rows.table.name(), &rows.origins)?;
                }
                add_failures(t, run, &batch.failures)
            })?;
            let large = !batch.rows.is_empty() || batch.entries.len() >= LARGE;
            if large { let_go(connection, &readers) } else { Ok(()) }
        })
        .await
    }
}

fn write(connection: &Connection, SinkRows { table, rows, .. }: &SinkRows) -> Result<(), StoreError> {
    // A merge takes each row of its input for new: of two with one key only the later may get there.
    let last: HashMap<&str, usize> = match table.upserts() {
        true => rows.iter().enumerate().map(|(at, (key, _))| (key.as_str(), at)).collect(),
        false => HashMap::new(),
    };
    {
        let mut appender = connection.appender("staged")?;
        for (at, (key, row)) in rows.iter().enumerate() {
            if last.get(key.as_str()).is_none_or(|last| *last == at) {
                appender.append_row(params![row])?;
            }
        }
        appender.flush()?;
    }
    connection.execute_batch(&table.insert())?;
    connection.execute_batch("TRUNCATE staged")?;
    Ok(())
}

fn add_failures(connection: &Connection, run: Run, failures: &[FailureRow]) -> Result<(), StoreError> {
    if failures.is_empty() {
        return Ok(());
    }
    let now = ledger::now();
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
