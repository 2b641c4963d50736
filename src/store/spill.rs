//! What a wave holds: on disk, in the order in which it came, read back page by page.

use duckdb::{Connection, params};

use crate::{
    datatype::quote,
    record::{Fields, Record},
};

use super::{Store, StoreError, transaction};

/// A page that was read back, and where the next one begins.
#[derive(Debug)]
pub struct Held {
    /// The records.
    pub records: Vec<Record>,
    /// What to pass to read on; `None` when that was all.
    pub next: Option<i64>,
}

/// What a wave of a pipeline that asks a server holds its records under.
pub fn held_name(pipeline: &str, server: &str, wave: &str) -> String {
    let server = blake3::hash(server.as_bytes()).to_hex();
    format!("{pipeline}_{wave}_{}", &server[..8])
}

pub(super) fn table(wave: &str) -> String {
    format!("etl.{}", quote(&format!("held_{wave}")))
}

/// How many records a wave holds: those that came through, and those that failed.
pub(super) fn count(connection: &Connection, wave: &str) -> Result<Option<(u64, u64)>, StoreError> {
    let there: bool = connection.query_row(
        "SELECT count(*) > 0 FROM duckdb_tables()
         WHERE schema_name = 'etl' AND table_name = ? AND database_name = current_database()",
        params![format!("held_{wave}")],
        |row| row.get(0),
    )?;
    if !there {
        return Ok(None);
    }
    let query = format!("SELECT count(*) FILTER (NOT failed), count(*) FILTER (failed) FROM {}", table(wave));
    let counts = |row: &duckdb::Row<'_>| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64));
    Ok(Some(connection.query_row(&query, [], counts)?))
}

impl Store {
    /// Begins to hold records for a wave. What an earlier run left there is gone: that run's answers
    /// are in the ledger, and its records come again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hold(&self, wave: &str) -> Result<(), StoreError> {
        let table = table(wave);
        self.execute(format!(
            "CREATE OR REPLACE TABLE {table} (place BIGINT, failed BOOLEAN, key VARCHAR, fields VARCHAR)"
        ))
        .await
    }

    /// Adds records, the first of them at `place`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_held(
        &self,
        wave: &str,
        place: i64,
        records: Vec<(bool, Record)>,
    ) -> Result<(), StoreError> {
        let table = format!("held_{wave}");
        self.with(move |connection| {
            transaction(connection, |t| {
                let mut appender = t.appender_to_db(&table, "etl")?;
                for (at, (failed, record)) in records.iter().enumerate() {
                    let fields = serde_json::to_string(&record.fields)
                        .map_err(|error| StoreError::Sql(error.to_string()))?;
                    appender.append_row(params![place + at as i64, failed, &*record.key, fields])?;
                }
                appender.flush()?;
                Ok(())
            })
        })
        .await
    }

    /// Reads the next `count` records from `place` on, of those that failed or of the others.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn held(&self, wave: &str, failed: bool, place: i64, count: usize) -> Result<Held, StoreError> {
        let table = table(wave);
        self.with(move |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT place, key, fields FROM {table} WHERE place >= ? AND failed = ? ORDER BY place LIMIT ?"
            ))?;
            let mut rows = statement.query(params![place, failed, count as i64])?;
            let mut held = Held { records: Vec::with_capacity(count), next: None };
            let mut last = place;
            while let Some(row) = rows.next()? {
                last = row.get(0)?;
                let key: String = row.get(1)?;
                let fields: String = row.get(2)?;
                let fields: Fields = serde_json::from_str(&fields).map_err(|error| StoreError::Sql(error.to_string()))?;
                held.records.push(Record { key: key.into(), fields });
            }
            held.next = (held.records.len() == count).then_some(last + 1);
            Ok(held)
        })
        .await
    }

    /// Lets go of what a wave held.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release(&self, wave: &str) -> Result<(), StoreError> {
        let table = table(wave);
        self.execute(format!("DROP TABLE IF EXISTS {table}")).await
    }
}
