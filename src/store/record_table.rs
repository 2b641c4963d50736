//! Records in internal tables: those held by a wave or waiting for a job. Main type: [`RecordTable`].

use std::{borrow::Cow, sync::Arc};

use duckdb::Connection;

use crate::{
    record::{About, LogicalType, Record, Schema, Value},
    sql::{Row, Slot, each_row},
};

use super::StoreError;

/// The columns of such a table: some specific ones, then the record's key, its metadata, and its typed fields.
/// Field columns are numbered, so that a user's column names cannot clash with ours.
#[derive(Debug, Clone)]
pub(super) struct RecordTable {
    own: Vec<(&'static str, LogicalType)>,
    schema: Arc<Schema>,
}

impl RecordTable {
    pub(super) fn new(own: &[(&'static str, LogicalType)], schema: &Arc<Schema>) -> Self {
        Self { own: own.to_vec(), schema: Arc::clone(schema) }
    }

    fn columns(&self) -> Schema {
        let own = self.own.iter().map(|(name, of)| ((*name).to_owned(), of.clone()));
        let about = ["key", "about"].map(|name| (name.to_owned(), LogicalType::Varchar));
        let fields = self.schema.fields().iter().enumerate();
        let fields = fields.map(|(at, field)| (format!("f{at}"), field.datatype.clone()));
        Schema::new(own.chain(about).chain(fields))
    }

    /// The column definitions for CREATE TABLE.
    pub(super) fn definition(&self) -> String {
        let columns = self.columns();
        let columns: Vec<String> =
            columns.fields().iter().map(|field| format!("{} {}", field.name, field.datatype.sql())).collect();
        columns.join(", ")
    }

    /// Adds records, each with the values of the specific columns.
    pub(super) fn insert(
        &self,
        connection: &Connection,
        table: &str,
        records: impl Iterator<Item = (Vec<Value>, Record)>,
    ) -> Result<(), StoreError> {
        let mut rows: Vec<Row> = Vec::new();
        for (own, record) in records {
            let record = record.conformed(&self.schema);
            let about =
                serde_json::to_string(&*record.about).map_err(|error| StoreError::Sql(error.to_string()))?;
            let about = [Value::Text(Arc::clone(&record.key)), Value::from(about)];
            rows.push(own.into_iter().chain(about).chain(record.values.iter().cloned()).collect());
        }
        if rows.is_empty() {
            return Ok(());
        }
        let slot = Slot::new(self.columns());
        slot.set(rows.into());
        connection.execute_batch(&format!("INSERT INTO {table} SELECT * FROM {}", slot.relation()))?;
        Ok(())
    }

    /// The records selected by a clause (`WHERE … ORDER BY …`), each with the values of the specific columns.
    pub(super) fn read(
        &self,
        connection: &Connection,
        table: &str,
        clause: &str,
    ) -> Result<Vec<(Vec<Value>, Record)>, StoreError> {
        let columns = self.columns();
        let list: Vec<String> = columns
            .fields()
            .iter()
            .map(|field| format!("CAST({} AS {})", field.name, field.datatype.carrier()))
            .collect();
        let mut statement =
            connection.prepare(&format!("SELECT {} FROM {table} {clause}", list.join(", ")))?;
        let mut records = Vec::new();
        each_row(&mut statement, |mut values| {
            let fields = values.split_off(self.own.len() + 2);
            let about = values.pop().and_then(|about| about.leaf().map(Cow::into_owned));
            let key = values.pop().and_then(|key| key.leaf().map(Cow::into_owned));
            let about: About = serde_json::from_str(&about.unwrap_or_default())
                .map_err(|error| StoreError::Sql(error.to_string()))?;
            let record = Record::new(key.unwrap_or_default(), Arc::clone(&self.schema), fields);
            records.push((values, Record { about: Arc::new(about), ..record }));
            Ok::<bool, StoreError>(true)
        })?;
        Ok(records)
    }
}

/// An integer from one of the specific columns.
pub(super) fn integer(value: &Value) -> i64 {
    match value {
        Value::Integer(value) => *value,
        _ => 0,
    }
}
