//! A schema: in a file, as JSON Schema in the spec, or in the short form.

use serde_json::Value;

use crate::{
    diagnostic::Place,
    record::LogicalType,
    spec::{
        text::Text,
        value::{FromValue, Value as Given},
    },
};

/// What an answer, or what a tool is called with, must look like.
#[derive(Debug, Clone, PartialEq)]
pub enum SchemaSpec {
    /// A file with a JSON Schema.
    File(Text),
    /// A JSON Schema in the spec.
    Json(Place, Value),
    /// The short form: the JSON Schema that it stands for, and the type of the values.
    Short(Place, Value, LogicalType),
    /// One that cannot be read, which has been reported.
    Wrong,
}

impl FromValue for SchemaSpec {
    fn from_value(value: Given) -> Option<Self> {
        match value {
            Given::Text(text) => Some(Self::File(text)),
            Given::Schema(schema) => Some(schema),
            _ => None,
        }
    }
}
