//! Faults of a query: unknown or ambiguous names, or DuckDB's error. Main type: [`QueryFault`].

use super::words::did_you_mean;

/// A fault of a query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryFault {
    /// DuckDB refuses it.
    #[error("DuckDB rejects this query: {0}")]
    Refused(String),
    /// An unknown name.
    #[error("the query refers to an unknown {what} `{name}`")]
    UnknownName {
        /// A column or a relation.
        what: &'static str,
        /// The name.
        name: String,
        /// The known names.
        known: Vec<String>,
        /// The readable relations, with their columns.
        readable: Vec<String>,
    },
    /// It reads `etl`.
    #[error("a query cannot read `etl`")]
    Etl,
    /// A path that is both a column of a relation and a part of a field with the relation's name.
    #[error("`{relation}.{field}` is a column of `{relation}`, and also a part of the field `{relation}`")]
    AmbiguousPath {
        /// The relation, and the field.
        relation: String,
        /// The column, and the part.
        field: String,
    },
}

impl QueryFault {
    /// The label at its place.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Refused(_) => "here".to_owned(),
            Self::UnknownName { name, known, .. } => {
                did_you_mean(name, known, "no relation that is read has it")
            }
            Self::Etl => "expected a field".to_owned(),
            Self::AmbiguousPath { .. } => "the column would be used".to_owned(),
        }
    }

    /// What to write instead, if there is more to say.
    pub(super) fn help(&self) -> Option<String> {
        match self {
            Self::Refused(_) => None,
            Self::UnknownName { readable, .. } if !readable.is_empty() => {
                Some(format!("the query can read {}", readable.join("; ")))
            }
            Self::UnknownName { .. } => {
                Some("a query reads stages above it, and tables of the database".to_owned())
            }
            Self::Etl => Some(
                "put what it needs into a field above the wave: `fields: { source_key: etl.key }`".to_owned(),
            ),
            Self::AmbiguousPath { relation, .. } => Some(format!(
                "give the relation an alias: `FROM {relation} AS r`, then `r.…` or `r.{relation}.…`"
            )),
        }
    }
}
