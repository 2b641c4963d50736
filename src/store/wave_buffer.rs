//! The records of a wave, on disk, so that memory does not grow with their number.

use std::sync::Arc;

use duckdb::{Connection, params};

use crate::{
    record::{LogicalType, Record, Schema, Value, quote},
    stage::Shelf,
};

use super::{
    Store, StoreError,
    record_table::{RecordTable, integer},
    transaction,
};

/// A page of a wave's records, and where the next one begins.
#[derive(Debug)]
pub struct Held {
    /// The records.
    pub records: Vec<Record>,
    /// The place to continue from; `None` at the end.
    pub next: Option<i64>,
}

/// The tables of a wave in the database: one for the records that succeeded, one for those that failed, each with
/// its own fields.
#[derive(Debug, Clone)]
pub struct WaveBuffer {
    name: String,
    /// The fields of incoming records.
    input: Arc<Schema>,
    /// The fields of the records that replace them after a query.
    output: Arc<Schema>,
    failed: Arc<Schema>,
    /// The fields of records of other stages read by its query.
    relations: Vec<Arc<Schema>>,
}

const OWN: &[(&str, LogicalType)] = &[("place", LogicalType::BigInt)];

impl WaveBuffer {
    /// The buffer of a wave, in a pipeline that calls `server`.
    pub fn new(
        (pipeline, server, wave): (&str, &str, &str),
        input: &Arc<Schema>,
        output: &Arc<Schema>,
        failed: &Arc<Schema>,
        relations: Vec<Arc<Schema>>,
    ) -> Self {
        let server = blake3::hash(server.as_bytes()).to_hex();
        Self {
            // No name of a wave has a dot: `a_b` with `c` differs from `a` with `b_c`.
            name: format!("held.{pipeline}.{wave}.{}", &server[..8]),
            input: Arc::clone(input),
            output: Arc::clone(output),
            failed: Arc::clone(failed),
            relations,
        }
    }

    pub(super) fn table(&self, shelf: Shelf) -> String {
        let name = match shelf {
            Shelf::Ok => self.name.clone(),
            Shelf::Failed => format!("{}.failed", self.name),
            Shelf::Relation(at) => format!("{}.{at}", self.name),
        };
        format!("etl.{}", quote(&name))
    }

    /// The fields of incoming records on a shelf.
    pub(super) fn schema(&self, shelf: Shelf) -> &Arc<Schema> {
        match shelf {
            Shelf::Ok => &self.input,
            Shelf::Failed => &self.failed,
            Shelf::Relation(at) => self.relations.get(at).unwrap_or(&self.input),
        }
    }

    fn shelves(&self) -> Vec<Shelf> {
        let relations = (0..self.relations.len()).map(Shelf::Relation);
        [Shelf::Ok, Shelf::Failed].into_iter().chain(relations).collect()
    }

    fn incoming(&self, shelf: Shelf) -> RecordTable {
        RecordTable::new(OWN, self.schema(shelf))
    }

    pub(super) fn outgoing(&self) -> RecordTable {
        RecordTable::new(OWN, &self.output)
    }

    /// The number of records held: succeeded and failed.
    pub(super) fn count(&self, connection: &Connection) -> Result<Option<(u64, u64)>, StoreError> {
        let there: i64 = connection.query_row(
            "SELECT count(*) FROM duckdb_tables()
             WHERE schema_name = 'etl' AND table_name IN (?, ?) AND database_name = current_database()",
            params![self.name, format!("{}.failed", self.name)],
            |row| row.get(0),
        )?;
        if there < 2 {
            return Ok(None);
        }
        let count = |shelf| -> Result<u64, StoreError> {
            let query = format!("SELECT count(*) FROM {}", self.table(shelf));
            Ok(connection.query_row(&query, [], |row| row.get::<_, i64>(0))? as u64)
        };
        Ok(Some((count(Shelf::Ok)?, count(Shelf::Failed)?)))
    }
}

impl Store {
    /// Prepares to hold the records of a wave. Those of an earlier run are dropped: its answers are in the
    /// ledger, and its records are read again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hold(&self, buffer: &WaveBuffer) -> Result<(), StoreError> {
        let create = |shelf| {
            format!(
                "CREATE OR REPLACE TABLE {} ({});",
                buffer.table(shelf),
                buffer.incoming(shelf).definition()
            )
        };
        self.execute(buffer.shelves().into_iter().map(create).collect()).await
    }

    /// Adds records, the first at `place`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_held(
        &self,
        buffer: &WaveBuffer,
        place: i64,
        records: Vec<(Shelf, Record)>,
    ) -> Result<(), StoreError> {
        let buffer = buffer.clone();
        self.with(move |connection| {
            transaction(connection, |t| {
                let mut records: Vec<_> = records.into_iter().zip(place..).collect();
                for shelf in buffer.shelves() {
                    let (of_it, others): (Vec<_>, Vec<_>) =
                        records.into_iter().partition(|((held, _), _)| *held == shelf);
                    records = others;
                    let rows = of_it.into_iter().map(|((_, record), at)| (vec![Value::Integer(at)], record));
                    buffer.incoming(shelf).insert(t, &buffer.table(shelf), rows)?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Reads the next `count` records from `place` on, failed ones or the others.
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
            let (table, shelf) = match failed {
                true => (buffer.incoming(Shelf::Failed), Shelf::Failed),
                false => (buffer.outgoing(), Shelf::Ok),
            };
            let clause = format!("WHERE place >= {place} ORDER BY place LIMIT {count}");
            let found = table.read(connection, &buffer.table(shelf), &clause)?;
            let next = match found.last() {
                Some((own, _)) if found.len() == count => Some(integer(&own[0]) + 1),
                _ => None,
            };
            Ok(Held { records: found.into_iter().map(|(_, record)| record).collect(), next })
        })
        .await
    }

    /// Drops the records of a wave.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release(&self, buffer: &WaveBuffer) -> Result<(), StoreError> {
        let drop = |shelf| format!("DROP TABLE IF EXISTS {};", buffer.table(shelf));
        self.execute(buffer.shelves().into_iter().map(drop).collect()).await
    }
}
