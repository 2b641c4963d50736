//! What flows through a pipeline: a record, or the failure that it became.

mod logical_type;
mod parse_type;
mod schema;
mod value;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Map;

pub use logical_type::LogicalType;
pub use parse_type::parse as parse_type;
pub use schema::{Field, Schema, same_name};
pub use value::{Value, double};

/// A name as an SQL identifier.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The fields of a record, in the order in which stages added them.
pub type Fields = Map<String, serde_json::Value>;

/// One record on its way from a source to a sink.
///
/// Source fields stand at the top level, a map's result under the name of its stage
/// (`extract.title`), and two names are the program's own: [`ANSWER`] and [`FAILURE`].
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The record's identity within its source; what a sink upserts by unless told otherwise.
    pub key: Arc<str>,
    /// Its fields.
    pub fields: Fields,
}

impl Record {
    /// Roughly its bytes, to bound what is gathered.
    pub fn weight(&self) -> usize {
        self.fields.values().map(|value| value.as_str().map_or(64, str::len)).sum()
    }
}

/// Roughly the bytes of an outcome.
pub fn weight(outcome: &Outcome) -> usize {
    match outcome {
        Ok(record) => record.weight(),
        Err(failure) => failure.record.weight(),
    }
}

/// Under this name a record tells who gave its latest answer: `answer.model`, `answer.request`.
pub const ANSWER: &str = "answer";

/// Under this name a record that left by a `failed` port tells why: `failure.reason`, `failure.reply`, …
pub const FAILURE: &str = "failure";

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
    /// The record as a `failed` port hands it on, with `failure.{stage, reason, kind, attempts, reply}`.
    pub fn into_record(self) -> Record {
        let Self { mut record, stage, kind, reason, attempts, reply } = self;
        let told = serde_json::json!({
            "stage": &*stage,
            "reason": reason,
            "kind": kind,
            "attempts": attempts,
            "reply": reply.unwrap_or_default(),
        });
        record.fields.insert(FAILURE.to_owned(), told);
        record
    }
}

/// The sorts of failure a record can meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The source could not make a record of it: not text, empty, too large, without its key.
    Unreadable,
    /// A template or an expression did not work out for this record.
    Template,
    /// The answer does not fit what was asked for.
    Refused,
    /// The answer was cut at the length limit.
    Length,
    /// The service refused the request itself (4xx).
    Invalid,
    /// No answer came after all retries: pending, asked again by the next run.
    Unanswered,
    /// A value does not fit the column that it is written to.
    Type,
}

impl FailureKind {
    /// The name as the ledger stores it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Template => "template",
            Self::Refused => "refused",
            Self::Length => "length",
            Self::Invalid => "invalid",
            Self::Unanswered => "unanswered",
            Self::Type => "type",
        }
    }
}
