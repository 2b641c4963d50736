//! What a wave holds, on disk: memory does not grow with the number of records.

use std::sync::Arc;

use duckdb::{Connection, params};

use crate::record::{LogicalType, Record, Schema, Value, quote};

use super::{
    Store, StoreError,
    record_table::{RecordTable, integer},
    transaction,
};

/// Records that a wave held, and where the next one begins.
#[derive(Debug)]
pub struct Held {
    /// The records.
    pub records: Vec<Record>,
    /// What to pass to read on; `None` when that was all.
    pub next: Option<i64>,
}

/// A wave's place in the database: one table for the records that came through, one for those that failed,
/// each with its own fields.
#[derive(Debug, Clone)]
pub struct WaveBuffer {
    name: String,
    /// The fields of the records that come in.
    input: Arc<Schema>,
    /// The fields of those that a query gives in their place.
    output: Arc<Schema>,
    failed: Arc<Schema>,
}

const OWN: &[(&str, LogicalType)] = &[("place", LogicalType::BigInt)];

impl WaveBuffer {
    /// The buffer of a wave of a pipeline that calls a server.
    pub fn new(
        (pipeline, server, wave): (&str, &str, &str),
        input: &Arc<Schema>,
        output: &Arc<Schema>,
        failed: &Arc<Schema>,
    ) -> Self {
        let server = blake3::hash(server.as_bytes()).to_hex();
        Self {
            name: format!("held_{pipeline}_{wave}_{}", &server[..8]),
            input: Arc::clone(input),
            output: Arc::clone(output),
            failed: Arc::clone(failed),
        }
    }

    fn table(&self, failed: bool) -> String {
        let name = if failed { format!("{}_failed", self.name) } else { self.name.clone() };
        format!("etl.{}", quote(&name))
    }

    pub(super) fn records_table(&self) -> String {
        self.table(false)
    }

    fn incoming(&self, failed: bool) -> RecordTable {
        RecordTable::new(OWN, if failed { &self.failed } else { &self.input })
    }

    pub(super) fn outgoing(&self) -> RecordTable {
        RecordTable::new(OWN, &self.output)
    }

    pub(super) const fn input(&self) -> &Arc<Schema> {
        &self.input
    }

    /// How many records it holds: those that came through, and those that failed.
    pub(super) fn count(&self, connection: &Connection) -> Result<Option<(u64, u64)>, StoreError> {
        let there: i64 = connection.query_row(
            "SELECT count(*) FROM duckdb_tables()
             WHERE schema_name = 'etl' AND table_name IN (?, ?) AND database_name = current_database()",
            params![self.name, format!("{}_failed", self.name)],
            |row| row.get(0),
        )?;
        if there < 2 {
            return Ok(None);
        }
        let count = |failed| -> Result<u64, StoreError> {
            let query = format!("SELECT count(*) FROM {}", self.table(failed));
            Ok(connection.query_row(&query, [], |row| row.get::<_, i64>(0))? as u64)
        };
        Ok(Some((count(false)?, count(true)?)))
    }
}

impl Store {
    /// Begins to hold records for a wave. What an earlier run left there is dropped: that run's answers are in
    /// the ledger, and its records come again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hold(&self, buffer: &WaveBuffer) -> Result<(), StoreError> {
        let create = |failed| {
            format!(
                "CREATE OR REPLACE TABLE {} ({});",
                buffer.table(failed),
                buffer.incoming(failed).definition()
            )
        };
        self.execute([false, true].map(create).concat()).await
    }

    /// Adds records, the first of them at `place`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_held(
        &self,
        buffer: &WaveBuffer,
        place: i64,
        records: Vec<(bool, Record)>,
    ) -> Result<(), StoreError> {
        let buffer = buffer.clone();
        self.with(move |connection| {
            transaction(connection, |t| {
                let records = records.into_iter().zip(place..);
                let (failed, ok): (Vec<_>, Vec<_>) = records.partition(|((failed, _), _)| *failed);
                for (of, records) in [(false, ok), (true, failed)] {
                    let rows =
                        records.into_iter().map(|((_, record), at)| (vec![Value::Integer(at)], record));
                    buffer.incoming(of).insert(t, &buffer.table(of), rows)?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Reads the next `count` records from `place` on, of those that failed or of the others.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn held(
        &self,
        buffer: &WaveBuffer,
        failed: bool,
        place: i64,
        count: usize,
    ) -> Result<Held, StoreError> {
        let buffer = buffer.clone();
        self.with(move |connection| {
            let table = if failed { buffer.incoming(true) } else { buffer.outgoing() };
            let clause = format!("WHERE place >= {place} ORDER BY place LIMIT {count}");
            let found = table.read(connection, &buffer.table(failed), &clause)?;
            let next = match found.last() {
                Some((own, _)) if found.len() == count => Some(integer(&own[0]) + 1),
                _ => None,
            };
            Ok(Held { records: found.into_iter().map(|(_, record)| record).collect(), next })
        })
        .await
    }

    /// Drops what a wave held.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release(&self, buffer: &WaveBuffer) -> Result<(), StoreError> {
        let drop = |failed| format!("DROP TABLE IF EXISTS {};", buffer.table(failed));
        self.execute([false, true].map(drop).concat()).await
    }
}
