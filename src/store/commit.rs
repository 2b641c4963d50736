//! The one way in: answers, rows and failures become durable together.

use std::sync::Arc;

use duckdb::{Connection, params};

use crate::{
    fault,
    ledger::{Entry, JobStep},
    record::FailureKind,
    sql::Row,
};

use super::{
    JobRecord, Run, Store, StoreError, Table, jobs, journal, ledger, let_go,
    origins::{self, Origin},
    ownership,
    sink_table::{self, Refused},
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
    /// The rows, with values in the order of the table's columns.
    pub rows: Vec<SinkRow>,
}

/// A row of a sink.
#[derive(Debug)]
pub struct SinkRow {
    /// Its values.
    pub values: Row,
    /// The key of the record that it was made of.
    pub record: String,
    /// The source records that it came from.
    pub sources: Arc<[i64]>,
    /// Where it comes from, if it holds an answer.
    pub origin: Option<Origin>,
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
    /// The source records that it came from.
    pub sources: Arc<[i64]>,
}

impl Store {
    /// Makes a batch durable; returns when it is. That wait is the backpressure on everything upstream. Gives
    /// the number of rows that are failures now, because their key was written before in this run.
    ///
    /// # Errors
    /// When the database fails; then nothing of the batch is there.
    pub async fn commit(&self, run: Run, server: &str, batch: Batch) -> Result<u64, StoreError> {
        let (server, readers) = (server.to_owned(), self.readers.clone());
        self.with(move |connection| {
            let doubles = transaction(connection, |t| {
                journal::add(t, run, &server, &batch.entries)?;
                jobs::add(t, run, &batch.jobs)?;
                if !batch.entries.is_empty() {
                    fault::point("inside_commit");
                    fault::check("ledger")?;
                }
                let mut failures = Vec::new();
                for rows in &batch.rows {
                    fault::check("sink")?;
                    failures.extend(write(t, run, &server, rows)?);
                }
                let doubles = failures.len() as u64;
                failures.extend(batch.failures.iter().cloned());
                add_failures(t, run, &failures)?;
                Ok(doubles)
            })?;
            let large = !batch.rows.is_empty() || batch.entries.len() >= LARGE;
            if large {
                let_go(connection, &readers)?;
            }
            Ok(doubles)
        })
        .await
    }
}

/// Writes rows and where they come from; gives the failures of those whose key was written before.
fn write(
    connection: &Connection,
    run: Run,
    server: &str,
    SinkRows { table, rows }: &SinkRows,
) -> Result<Vec<FailureRow>, StoreError> {
    if table.owned.is_some() {
        ownership::add_sets(connection, rows.iter().map(|row| &*row.sources))?;
    }
    let values: Vec<(Row, i64)> =
        rows.iter().map(|row| (Row::clone(&row.values), ownership::owner_of(&row.sources))).collect();
    let refused = sink_table::insert(connection, table, &values)?;
    let is_refused = |at: &usize| refused.binary_search_by_key(at, |refused| refused.at).is_ok();
    let written = rows.iter().enumerate().filter(|(at, _)| !is_refused(at));
    let origins: Vec<&Origin> = written.filter_map(|(_, row)| row.origin.as_ref()).collect();
    origins::add(connection, run, server, &table.name(), &origins)?;
    let names = table.key.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
    let failure = |Refused { at, pipeline }: Refused| FailureRow {
        stage: table.stage.clone(),
        key: rows[at].record.clone(),
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
    Ok(refused.into_iter().map(failure).collect())
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
