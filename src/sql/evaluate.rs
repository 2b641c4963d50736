//! Expressions over chunks of records. Main type: [`Evaluator`].

use std::sync::Arc;

use crate::record::{LogicalType, Schema, Value};

use super::{Engine, Row, SqlError, chunk::Slot, message, read::value, reason};

/// Bound expressions over rows of one schema. Each stage owns one, with its own connection and statement.
pub struct Evaluator {
    engine: Engine,
    slot: Arc<Slot>,
    statement: String,
}

/// The values of the expressions for a row, or an error message.
pub type Evaluated = Result<Vec<Value>, String>;

impl Evaluator {
    /// Prepares expressions, each with the type of its result.
    ///
    /// # Errors
    /// An expression that does not bind.
    pub fn new(
        engine: &Engine,
        schema: &Schema,
        expressions: &[(String, LogicalType)],
    ) -> Result<Self, SqlError> {
        let engine = engine.connect()?;
        let slot = Slot::new(schema.clone());
        let outputs: Vec<String> = expressions
            .iter()
            .map(|(text, of)| format!("CAST(CAST(({text}\n) AS {}) AS {})", of.sql(), of.carrier()))
            .collect();
        let statement = format!("SELECT {} FROM {}", outputs.join(", "), slot.relation());
        engine.connection().prepare_cached(&statement)?;
        Ok(Self { engine, slot, statement })
    }

    /// The values of the expressions for each row. A row whose expression raises an error fails alone.
    pub fn evaluate(&self, rows: &[Row]) -> Vec<Evaluated> {
        match self.all(rows) {
            Ok(values) if values.len() == rows.len() => values.into_iter().map(Ok).collect(),
            Ok(values) => {
                let found = values.len();
                vec![Err(format!("{found} results for {} records", rows.len())); rows.len()]
            }
            Err(error) if rows.len() <= 1 => rows.iter().map(|_| Err(error.clone())).collect(),
            Err(_) => {
                let (left, right) = rows.split_at(rows.len() / 2);
                let mut values = self.evaluate(left);
                values.extend(self.evaluate(right));
                values
            }
        }
    }

    fn all(&self, rows: &[Row]) -> Result<Vec<Vec<Value>>, String> {
        let failed = |error: duckdb::Error| reason(&message(&error));
        self.slot.set(rows.into());
        let mut statement = self.engine.connection().prepare_cached(&self.statement).map_err(failed)?;
        // A stream saves the copy of a whole result, which for one row costs a tenth of its time; for many rows it is
        // slower.
        match rows.len() {
            1 => drop(statement.stream_arrow([]).map_err(failed)?),
            _ => drop(statement.query([]).map_err(failed)?),
        }
        let mut values = Vec::with_capacity(rows.len());
        while let Some(batch) = statement.step().map_err(failed)? {
            for row in 0..duckdb::arrow::array::Array::len(&batch) {
                values.push(batch.columns().iter().map(|column| value(column, row)).collect());
            }
        }
        self.slot.set(Arc::new([]));
        Ok(values)
    }
}
