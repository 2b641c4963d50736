//! What flows through a pipeline: a record of typed fields, or the failure that it became.
//!
//! Fields have DuckDB's types ([`LogicalType`]) from the source to the table; no value passes through JSON on
//! its way. Main types: [`Record`], [`Schema`], [`Value`], [`Failure`].

mod about;
mod json;
mod json_schema;
mod logical_type;
mod parse_type;
mod schema;
mod value;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use about::{About, Answered, ETL, Failed, PieceOf, RESERVED, etl_type, origin_of};
pub use json::{Misfit, from_json, json_text, left_out, write_json};
pub use json_schema::of_json_schema;
pub use logical_type::LogicalType;
pub use parse_type::parse as parse_type;
pub use schema::{Field, Schema, same_name};
pub use value::{Value, double};

/// A name as an SQL identifier.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// One record on its way from a source to a sink.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The key for people: `walden.txt`, `walden.txt#3`, `["a",7]`.
    pub key: Arc<str>,
    /// The names and types of its fields.
    pub schema: Arc<Schema>,
    /// Its values, in the order of the schema.
    pub values: Arc<[Value]>,
    /// What the program knows of it.
    pub about: Arc<About>,
}

impl Record {
    /// A record without anything known of it, but its source.
    pub fn new(key: impl Into<Arc<str>>, schema: Arc<Schema>, values: Vec<Value>) -> Self {
        Self { key: key.into(), schema, values: values.into(), about: Arc::default() }
    }

    /// A value by its field's name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(self.schema.position(name)?)
    }

    /// The record where no map has repaired it: behind a `failed` port it is still the failure that it was.
    ///
    /// # Errors
    /// That failure.
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

    /// The record with the fields of another schema: by name, NULL where it has none, widened without loss.
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

    /// Its size in memory, to bound what is gathered.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.values.iter().map(Value::bytes).sum::<usize>()
    }
}

/// The bytes of an outcome.
pub fn weight(outcome: &Outcome) -> usize {
    match outcome {
        Ok(record) => record.bytes(),
        Err(failure) => failure.record.bytes(),
    }
}

/// A record, or why there is none.
pub type Outcome = Result<Record, Box<Failure>>;

/// A record that a stage could not carry further: data, with a row of its own, not an error.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The record as it entered the stage.
    pub record: Record,
    /// The stage that it failed in.
    pub stage: Arc<str>,
    /// What sort of failure it is.
    pub kind: FailureKind,
    /// Why, in a sentence for a person (and for the prompt of a repair wave).
    pub reason: String,
    /// How many requests were sent for it; 0 where it failed before the first.
    pub attempts: u32,
    /// The answer that was refused, where there was one.
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

    /// The record as a `failed` port gives it on, with `etl.failure`.
    pub fn into_record(self) -> Record {
        let Self { record, stage, kind, reason, attempts, reply } = self;
        let failure = Some(Failed { stage, kind, reason, attempts, reply });
        let about = About { failure, ..(*record.about).clone() };
        Record { about: Arc::new(about), ..record }
    }
}

/// The sorts of failure a record can meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The source could not make a record of it: not text, empty, too large, a broken line, without its key.
    Unreadable,
    /// A template could not be rendered for this record.
    Template,
    /// An expression raised an error for this record.
    Expression,
    /// A text meets NULL, and does not say what to do about it.
    Null,
    /// The model that a template names is not there, is retired, or has no price under a budget.
    Model,
    /// The request is longer than the model's context.
    Context,
    /// The answer does not fit what was asked for.
    Refused,
    /// The answer fits its schema and not what `expect:` says of it for this record.
    Expectation,
    /// The answer was cut at the length limit.
    Length,
    /// The service refused the request itself (4xx).
    Invalid,
    /// No answer came after all retries: pending, requested again by the next run.
    Unanswered,
    /// A value does not fit the column that it is written to.
    Type,
    /// Another record of this run has its key.
    DuplicateKey,
    /// A piece of it failed, and all are needed.
    Pieces,
}

impl FailureKind {
    /// The name as the ledger stores it.
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
