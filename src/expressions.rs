//! Expressions of a stage over its records, a chunk at a time. Main type: [`Expressions`], created by stages and by
//! `request` for conditions.

use std::sync::{Arc, Mutex};

use crate::{
    plan::RecordType,
    record::{ETL, LogicalType, Record, Value},
    sql::{Engine, Evaluated, Evaluator, Row},
};

/// Something accepted by `check` cannot be used: its name.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` was checked, and cannot be used: this is a bug in etl, please report it")]
pub(crate) struct Unusable(pub(crate) String);

/// Bound expressions over the records of a stage.
pub(crate) struct Expressions {
    evaluator: Mutex<Evaluator>,
    maps: Arc<[Arc<str>]>,
    /// Whether an expression uses `etl`, which costs as much as a field.
    uses_etl: bool,
}

impl Expressions {
    pub(crate) fn new(
        engine: &Mutex<Engine>,
        of: &RecordType,
        expressions: &[(String, LogicalType)],
    ) -> Result<Self, Unusable> {
        let uses_etl = expressions.iter().any(|(text, _)| text.to_lowercase().contains(ETL));
        let schema = if uses_etl { of.relation() } else { (*of.schema).clone() };
        let engine = engine.lock().map_err(|_| Unusable("the engine".to_owned()))?;
        let evaluator = Evaluator::new(&engine, &schema, expressions)
            .map_err(|error| Unusable(format!("an expression: {error}")))?;
        Ok(Self { evaluator: Mutex::new(evaluator), maps: Arc::clone(&of.maps), uses_etl })
    }

    /// The values for each record; a record whose expression raises an error fails alone.
    pub(crate) fn evaluate(&self, records: &[&Record]) -> Vec<Evaluated> {
        let rows: Vec<Row> = records.iter().map(|record| self.row(record)).collect();
        match self.evaluator.lock() {
            Ok(evaluator) => evaluator.evaluate(&rows),
            Err(_) => vec![Err("an earlier evaluation panicked".to_owned()); rows.len()],
        }
    }

    fn row(&self, record: &Record) -> Row {
        if !self.uses_etl {
            return Arc::clone(&record.values);
        }
        let etl = record.about.value(&record.key, &self.maps);
        record.values.iter().cloned().chain([etl]).collect()
    }
}

/// An optional condition. NULL is false.
pub(crate) struct When(Option<Expressions>);

impl When {
    pub(crate) fn new(engine: &Mutex<Engine>, of: &RecordType, text: Option<&str>) -> Result<Self, Unusable> {
        let condition = |text: &str| Expressions::new(engine, of, &[(text.to_owned(), LogicalType::Boolean)]);
        text.map(condition).transpose().map(Self)
    }

    /// Without a condition, every record matches.
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// Whether each record matches.
    pub(crate) fn test(&self, records: &[&Record]) -> Vec<Result<bool, String>> {
        let Some(condition) = &self.0 else { return vec![Ok(true); records.len()] };
        let values = condition.evaluate(records).into_iter();
        values.map(|values| Ok(values?.first() == Some(&Value::Boolean(true)))).collect()
    }

    /// Whether a record matches.
    pub(crate) fn holds(&self, record: &Record) -> Result<bool, String> {
        self.test(&[record]).pop().unwrap_or(Ok(false))
    }
}
