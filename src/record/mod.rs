//! The items that flow through a pipeline: records of typed fields, and failures.
//!
//! Fields have DuckDB's types ([`LogicalType`]) from the source to the table; values never pass through JSON in
//! between. Main types: [`Record`], [`Schema`], [`Value`], [`Failure`].

mod about;
mod json;
mod json_schema;
mod logical_type;
mod narrow;
mod parse_type;
mod quoting;
mod schema;
mod unquoted_name;
mod value;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use about::{About, Answered, ETL, Failed, PieceOf, RESERVED, etl_type, origin_of};
pub use json::{Misfit, from_json, json_text, left_out, write_json};
pub use json_schema::of_json_schema;
pub use logical_type::LogicalType;
pub use parse_type::parse as parse_type;
pub use quoting::{literal, outside_of_quotes, quote};
pub use schema::{Field, Schema, same_name};
pub use unquoted_name::{occurrences, unquoted_names};
pub use value::{Value, double};

/// One record on its way from a source to a sink.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The key for display: `walden.txt`, `walden.txt#3`, `["a",7]`.
    pub key: Arc<str>,
    /// The names and types of its fields.
    pub schema: Arc<Schema>,
    /// Its values, in the order of the schema.
    pub values: Arc<[Value]>,
    /// Its built-in facts.
    pub about: Arc<About>,
}

impl Record {
    /// A record with default facts.
    pub fn new(key: impl Into<Arc<str>>, schema: Arc<Schema>, values: Vec<Value>) -> Self {
        Self { key: key.into(), schema, values: values.into(), about: Arc::default() }
    }

    /// A value by field name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(self.schema.position(name)?)
    }

    /// The record, unless it came from a `failed` port and no map has repaired it.
    ///
    /// # Errors
    /// The original failure.
    pub fn unrepaired(self) -> Outcome {
        let Some(failed) = self.about.failure.clone() else { return Ok(self) };
        Err(Box::new(Failure {
            stage: failed.stage,
            kind: failed.kind,
            reason: failed.reason,
            attempts: failed.attempts,
            reply: failed.reply,
            record: self,
        }))
    }

    /// The record with other fields.
    #[must_use]
    pub fn with(&self, schema: &Arc<Schema>, values: Vec<Value>) -> Self {
        Self { schema: Arc::clone(schema), values: values.into(), ..self.clone() }
    }

    /// The record with the fields of another schema: matched by name, NULL if missing, widened without loss.
    #[must_use]
    pub fn conformed(self, schema: &Arc<Schema>) -> Self {
        if Arc::ptr_eq(&self.schema, schema) || *self.schema == **schema {
            return Self { schema: Arc::clone(schema), ..self };
        }
        let values = schema.fields().iter().map(|field| match self.schema.position(&field.name) {
            Some(at) => self.values[at].widened(&self.schema.fields()[at].datatype, &field.datatype),
            None => Value::Null,
        });
        let values = values.collect();
        self.with(schema, values)
    }

    /// Its size in memory, to limit buffers.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.values.iter().map(Value::bytes).sum::<usize>()
    }
}

/// The size of an outcome in memory.
pub fn weight(outcome: &Outcome) -> usize {
    match outcome {
        Ok(record) => record.bytes(),
        Err(failure) => failure.record.bytes(),
    }
}

/// A record or its failure.
pub type Outcome = Result<Record, Box<Failure>>;

/// A record that failed in a stage: data with its own row, not an error.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The record as it entered the stage.
    pub record: Record,
    /// The stage where it failed.
    pub stage: Arc<str>,
    /// The kind of failure.
    pub kind: FailureKind,
    /// Why, in a readable sentence (also for the prompt of a repair wave).
    pub reason: String,
    /// The number of requests sent for it; 0 if it failed before the first.
    pub attempts: u32,
    /// The refused answer, if any.
    pub reply: Option<String>,
}

impl Failure {
    /// A failure before anything was sent.
    pub fn unsent(
        record: Record,
        stage: &Arc<str>,
        kind: FailureKind,
        reason: impl Into<String>,
    ) -> Box<Self> {
        Box::new(Self {
            record,
            stage: Arc::clone(stage),
            kind,
            reason: reason.into(),
            attempts: 0,
            reply: None,
        })
    }

    /// The record as output by a `failed` port, with `etl.failure`.
    pub fn into_record(self) -> Record {
        let Self { record, stage, kind, reason, attempts, reply } = self;
        let failure = Some(Failed { stage, kind, reason, attempts, reply });
        let about = About { failure, ..(*record.about).clone() };
        Record { about: Arc::new(about), ..record }
    }
}

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The source could not read it as a record: not text, empty, too large, a bad line, no key.
    Unreadable,
    /// A template could not be rendered for this record.
    Template,
    /// An expression raised an error for this record.
    Expression,
    /// A text uses a NULL without a default.
    Null,
    /// The model named by a template does not exist, is retired, or has no price although there is a budget.
    Model,
    /// The request exceeds the model's context.
    Context,
    /// The answer is invalid.
    Refused,
    /// The answer fits its schema, but not `expect:` for this record.
    Expectation,
    /// The answer was cut off at the length limit.
    Length,
    /// The service refused the request itself (4xx).
    Invalid,
    /// No answer after all retries: pending, and requested again by the next run.
    Unanswered,
    /// A value does not fit its column.
    Type,
    /// Another record of this run has its key.
    DuplicateKey,
    /// A piece of it failed, and all pieces are needed.
    Pieces,
}

impl FailureKind {
    /// The name stored in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Template => "template",
            Self::Expression => "expression",
            Self::Null => "null",
            Self::Model => "model",
            Self::Context => "context",
            Self::Refused => "refused",
            Self::Expectation => "expectation",
            Self::Length => "length",
            Self::Invalid => "invalid",
            Self::Unanswered => "unanswered",
            Self::Type => "type",
            Self::DuplicateKey => "duplicate key",
            Self::Pieces => "pieces",
        }
    }
}
