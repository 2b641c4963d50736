//! A schema: in a file, as JSON Schema in the spec, or in the short form.

use crate::spec::{
    schema::SchemaSpec,
    value::{FromValue, Value as Given},
};

impl FromValue for SchemaSpec {
    fn from_value(value: Given) -> Option<Self> {
        match value {
            Given::Text(text) => Some(Self::File(text)),
            Given::Schema(schema) => Some(schema),
            _ => None,
        }
    }
}
