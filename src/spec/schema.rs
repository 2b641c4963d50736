//! A schema as it is written. Main type: [`SchemaSpec`].

use serde_json::Value;

use crate::{diagnostic::Place, record::LogicalType};

use super::text::Text;

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
