//! The conditions on an answer for its record: `expect:`. Main type: [`Expectations`].

use std::sync::{Arc, Mutex};

use crate::{
    expressions::{Expressions, Unusable},
    ledger::Refusal,
    plan::{Node, RecordType},
    record::{FailureKind, LogicalType, Record, Schema, Value},
    sql::Engine,
};

/// Conditions over a record and its answer.
pub(crate) struct Expectations(Option<(Vec<(String, String)>, Expressions)>);

impl Expectations {
    /// The conditions of a stage, over the fields of its records including their answers.
    pub(crate) fn new(
        engine: &Mutex<Engine>,
        node: &Node,
        conditions: &[(String, String)],
        output: &Schema,
    ) -> Result<Self, Unusable> {
        if conditions.is_empty() {
            return Ok(Self(None));
        }
        let mut maps = node.input.maps.to_vec();
        if !maps.contains(&node.name) {
            maps.push(Arc::clone(&node.name));
        }
        let of = RecordType { schema: Arc::new(output.clone()), maps: maps.into() };
        let expressions: Vec<_> =
            conditions.iter().map(|(_, text)| (text.clone(), LogicalType::Boolean)).collect();
        Ok(Self(Some((conditions.to_vec(), Expressions::new(engine, &of, &expressions)?))))
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether a record and its answer meet all conditions.
    ///
    /// # Errors
    /// The names and texts of the conditions that are false or NULL, or the evaluation error.
    pub(crate) fn check(&self, record: &Record) -> Result<(), Refusal> {
        let Some((conditions, expressions)) = &self.0 else { return Ok(()) };
        let refused = |reason: String| Refusal { kind: FailureKind::Expectation, reason };
        let values = match expressions.evaluate(&[record]).pop() {
            Some(Ok(values)) => values,
            Some(Err(why)) => return Err(refused(format!("the expectation cannot be evaluated: {why}"))),
            None => return Err(refused("the expectation cannot be evaluated".to_owned())),
        };
        let unmet: Vec<String> = (conditions.iter().zip(&values))
            .filter(|(_, value)| **value != Value::Boolean(true))
            .map(|((name, text), value)| {
                let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                let is = if value.is_null() { "NULL" } else { "false" };
                format!("`{name}` is not met: `{text}` is {is}")
            })
            .collect();
        if unmet.is_empty() { Ok(()) } else { Err(refused(unmet.join("; "))) }
    }
}
