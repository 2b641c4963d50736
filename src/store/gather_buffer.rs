//! The spilled part of a gather: records that wait for their pieces, and the pieces.

use std::sync::Arc;

use crate::record::{LogicalType, Record, Schema, Value, quote};

use super::{
    Store, StoreError,
    record_table::{RecordTable, integer},
    transaction,
};

/// The tables of a gather in the database.
#[derive(Debug, Clone)]
pub struct GatherBuffer {
    name: String,
    records: Arc<Schema>,
    pieces: Arc<Schema>,
}

/// A record or a piece, with the record's number.
pub type Numbered<T> = (i64, T);

/// A piece and its position.
pub type PieceAt = (i64, Value);

/// The only field of a table of pieces.
const PIECE: &str = "piece";

impl GatherBuffer {
    /// The buffer of a gather with these types of records and pieces.
    pub fn new(stage: &str, records: &Arc<Schema>, piece: LogicalType) -> Self {
        Self {
            // No name of a stage has a dot: `join` and `join_pieces` may both be gathers.
            name: format!("gathered.{stage}"),
            records: Arc::clone(records),
            pieces: Arc::new(Schema::new([(PIECE, piece)])),
        }
    }

    fn record_table(&self) -> (String, RecordTable) {
        let own = [("number", LogicalType::BigInt)];
        (format!("etl.{}", quote(&self.name)), RecordTable::new(&own, &self.records))
    }

    fn piece_table(&self) -> (String, RecordTable) {
        let own = [("number", LogicalType::BigInt), ("place", LogicalType::BigInt)];
        (format!("etl.{}", quote(&format!("{}.pieces", self.name))), RecordTable::new(&own, &self.pieces))
    }
}

impl Store {
    /// Prepares to hold records and pieces. Those of an earlier run are dropped: its answers are in the ledger,
    /// and its records are read again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_gather(&self, buffer: &GatherBuffer) -> Result<(), StoreError> {
        let create = |(name, table): (String, RecordTable)| {
            format!("CREATE OR REPLACE TABLE {name} ({});", table.definition())
        };
        self.execute([buffer.record_table(), buffer.piece_table()].map(create).concat()).await
    }

    /// Adds records and pieces.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn spill(
        &self,
        buffer: &GatherBuffer,
        records: Vec<Numbered<Record>>,
        pieces: Vec<Numbered<PieceAt>>,
    ) -> Result<(), StoreError> {
        let buffer = buffer.clone();
        self.with(move |connection| {
            transaction(connection, |t| {
                let (name, table) = buffer.record_table();
                let rows = records.into_iter().map(|(number, record)| (vec![Value::Integer(number)], record));
                table.insert(t, &name, rows)?;
                let (name, table) = buffer.piece_table();
                let schema = Arc::clone(&buffer.pieces);
                let rows = pieces.into_iter().map(move |(number, (at, value))| {
                    let own = vec![Value::Integer(number), Value::Integer(at)];
                    (own, Record::new("", Arc::clone(&schema), vec![value]))
                });
                table.insert(t, &name, rows)
            })
        })
        .await
    }

    /// The records with these numbers, and their pieces.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn spilled(
        &self,
        buffer: &GatherBuffer,
        numbers: &[i64],
    ) -> Result<(Vec<Numbered<Record>>, Vec<Numbered<PieceAt>>), StoreError> {
        let list = numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
        let clause = format!("WHERE number IN ({list})");
        let buffer = buffer.clone();
        self.with(move |connection| {
            let (name, table) = buffer.record_table();
            let records = table.read(connection, &name, &clause)?.into_iter();
            let records = records.map(|(own, record)| (integer(&own[0]), record)).collect();
            let (name, table) = buffer.piece_table();
            let pieces = table.read(connection, &name, &clause)?.into_iter();
            let piece = |record: &Record| record.values.first().cloned().unwrap_or(Value::Null);
            let pieces =
                pieces.map(|(own, record)| (integer(&own[0]), (integer(&own[1]), piece(&record)))).collect();
            Ok((records, pieces))
        })
        .await
    }

    /// Drops the records and pieces of a gather.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_gather(&self, buffer: &GatherBuffer) -> Result<(), StoreError> {
        let drop = |(name, _): (String, RecordTable)| format!("DROP TABLE IF EXISTS {name};");
        self.execute([buffer.record_table(), buffer.piece_table()].map(drop).concat()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_gathers_share_a_table() {
        let schema = Arc::new(Schema::default());
        let tables = |stage| {
            let buffer = GatherBuffer::new(stage, &schema, LogicalType::Varchar);
            [buffer.record_table().0, buffer.piece_table().0]
        };
        let all: std::collections::HashSet<String> =
            ["join", "join_pieces", "join_pieces_pieces"].into_iter().flat_map(tables).collect();
        assert_eq!(all.len(), 6, "{all:?}");
    }
}
