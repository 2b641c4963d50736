//! The ledger's tables and runs.

use std::path::Path;

use duckdb::{Connection, params};

use crate::event::Usage;

use super::{
    Store, StoreError,
    lock_info::{LockInfo, Note},
    schema::{OWNERSHIP, TABLES, UPGRADE, VERSION, VIEWS},
    transaction,
};

/// A run's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run(pub i64);

/// The record of a run at its start.
#[derive(Debug, Clone)]
pub struct RunRecord {
    /// The pipeline's name.
    pub pipeline: String,
    /// The server: answers of one server do not count for another.
    pub server: String,
}

/// Whether the database has a ledger.
pub(super) fn is_there(connection: &Connection) -> Result<bool, duckdb::Error> {
    connection.query_row(
        "SELECT count(*) > 0 FROM duckdb_tables()
         WHERE schema_name = 'etl' AND table_name = 'meta' AND database_name = current_database()",
        [],
        |row| row.get(0),
    )
}

/// Creates the ledger, or upgrades an older layout.
pub(super) fn create(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    if is_there(connection)? {
        let found: i64 =
            connection.query_row("SELECT coalesce(max(version), 0) FROM etl.meta", [], |row| row.get(0))?;
        if found > VERSION {
            return Err(StoreError::Newer { path: path.to_owned(), found, known: VERSION });
        }
        if found < VERSION {
            connection.execute_batch(&format!(
                "BEGIN; {UPGRADE} {VIEWS} {OWNERSHIP} UPDATE etl.meta SET version = {VERSION}; COMMIT;"
            ))?;
        }
        return Ok(());
    }
    connection.execute_batch(&format!(
        "BEGIN; {TABLES} {VIEWS} {OWNERSHIP} INSERT INTO etl.meta VALUES ({VERSION}); COMMIT;"
    ))?;
    Ok(())
}

impl Store {
    /// Starts a run with the next number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin(&self, record: RunRecord) -> Result<Run, StoreError> {
        let pipeline = record.pipeline.clone();
        let run = self.number(record).await?;
        let process = std::process::id();
        let holder = LockInfo { process, run: run.0, pipeline, since: jiff::Timestamp::now() };
        if let Ok(mut note) = self.note.lock() {
            *note = Some(Note::leave(&self.path, &holder));
        }
        Ok(run)
    }

    async fn number(&self, record: RunRecord) -> Result<Run, StoreError> {
        self.with(move |connection| {
            transaction(connection, |t| {
                // No other process has the file: a run without an end was killed.
                t.execute("UPDATE etl.runs SET ended = 'killed' WHERE ended IS NULL", [])?;
                let run: i64 = t.query_row("SELECT coalesce(max(run), 0) + 1 FROM etl.runs", [], |row| row.get(0))?;
                t.execute(
                    "INSERT INTO etl.runs (run, pipeline, server, program, started_at) VALUES (?, ?, ?, ?, now()::TIMESTAMP)",
                    params![run, record.pipeline, record.server, env!("CARGO_PKG_VERSION")],
                )?;
                Ok(Run(run))
            })
        })
        .await
    }

    /// Ends a run, with its outcome and its usage.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end(&self, run: Run, ended: &'static str, usage: Usage) -> Result<(), StoreError> {
        self.with(move |connection| {
            connection.execute(
                "UPDATE etl.runs SET ended_at = now()::TIMESTAMP, ended = ?, requests = ?, retries = ?, reused = ?,
                 prompt_tokens = ?, completion_tokens = ?, cost_usd = ?, cached_tokens = ? WHERE run = ?",
                params![
                    ended,
                    usage.requests as i64,
                    usage.retries as i64,
                    usage.reused as i64,
                    usage.prompt_tokens as i64,
                    usage.completion_tokens as i64,
                    usage.cost_micros as f64 / 1e6,
                    usage.cached_tokens as i64,
                    run.0
                ],
            )?;
            Ok(())
        })
        .await
    }
}

/// The current time, in the format of DuckDB's appender for timestamps.
pub(super) fn now() -> String {
    jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).datetime().to_string()
}
