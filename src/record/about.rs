//! What the program itself knows of a record: the struct `etl` of expressions and texts. Main type: [`About`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{FailureKind, LogicalType, Value};

/// The name of the one field that the program owns.
pub const ETL: &str = "etl";

/// Names inside `etl` that a map that calls a model may not have.
pub const RESERVED: &[&str] = &["key", "source", "origin", "failure", "fields"];

/// Where a record came from and who answered for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The source that it was read from.
    pub source: Arc<str>,
    /// The file that it was read from.
    pub file: Option<Arc<str>>,
    /// The line of that file, from 1.
    pub line: Option<i64>,
    /// The source records that it came from, by their identity; see [`origin_of`].
    pub origin: Arc<[i64]>,
    /// The maps that called a model for it, in their order, and who answered.
    pub answers: Vec<(Arc<str>, Answered)>,
    /// Why it left by a `failed` port.
    pub failure: Option<Failed>,
    /// The splits whose piece it is, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<PieceOf>,
}

/// Which piece of which record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceOf {
    /// The record, by its number among those that the split has seen in this run.
    pub record: i64,
    /// The piece's place, from 1.
    pub at: i64,
}

/// Who answered: what does not differ between a first and a second run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The model that answered.
    pub model: Arc<str>,
    /// The request's id.
    pub request: Arc<str>,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
    /// Its cost in millionths of a US dollar, where the price is known.
    pub cost_micros: Option<u64>,
}

/// Why a record failed, as it stands behind a `failed` port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The stage that it failed in.
    pub stage: Arc<str>,
    /// What sort of failure it is.
    pub kind: FailureKind,
    /// Why.
    pub reason: String,
    /// Requests that were sent for it.
    pub attempts: u32,
    /// The answer that was refused.
    pub reply: Option<String>,
}

/// The identity of a source record: a hash of its source and its key, the same in every run.
pub fn origin_of(source: &str, key: &str) -> i64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(source.as_bytes()).update(&[0]).update(key.as_bytes());
    let hash = hasher.finalize();
    let bytes = hash.as_bytes();
    i64::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]])
}

impl About {
    /// The answer of a map that called a model.
    pub fn answered(&self, map: &str) -> Option<&Answered> {
        self.answers.iter().rev().find(|(name, _)| &**name == map).map(|(_, answered)| answered)
    }

    /// The last answer.
    pub fn last_answer(&self) -> Option<&Answered> {
        self.answers.last().map(|(_, answered)| answered)
    }

    /// With the answer of a map; what failed before has been repaired.
    #[must_use]
    pub fn with_answer(&self, map: &Arc<str>, answered: Answered) -> Self {
        let mut about = self.clone();
        about.answers.retain(|(name, _)| name != map);
        about.answers.push((Arc::clone(map), answered));
        about.failure = None;
        about
    }

    /// The value of `etl`, for records of the type that [`etl_type`] gives.
    pub fn value(&self, key: &Arc<str>, maps: &[Arc<str>]) -> Value {
        let text = |text: &Arc<str>| Value::Text(Arc::clone(text));
        let maybe = |value: Option<Value>| value.unwrap_or(Value::Null);
        let count = |count: u64| Value::Integer(i64::try_from(count).unwrap_or(i64::MAX));
        let source =
            [text(&self.source), maybe(self.file.as_ref().map(text)), maybe(self.line.map(Value::Integer))];
        let failure = self.failure.as_ref().map(|failed| {
            Value::Struct(Arc::new([
                text(&failed.stage),
                Value::from(failed.kind.as_str()),
                Value::from(failed.reason.as_str()),
                Value::Integer(i64::from(failed.attempts)),
                maybe(failed.reply.as_deref().map(Value::from)),
            ]))
        });
        let mut values = vec![
            text(key),
            Value::Struct(Arc::new(source)),
            Value::List(self.origin.iter().map(|id| Value::Integer(*id)).collect()),
            maybe(failure),
        ];
        values.extend(maps.iter().map(|map| {
            maybe(self.answered(map).map(|answered| {
                let cost = answered
                    .cost_micros
                    .map(|micros| format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000));
                Value::Struct(Arc::new([
                    text(&answered.model),
                    text(&answered.request),
                    Value::Integer(i64::from(answered.attempt)),
                    count(answered.prompt_tokens),
                    count(answered.completion_tokens),
                    maybe(cost.map(Value::from)),
                ]))
            }))
        }));
        Value::Struct(values.into())
    }
}

/// The type of `etl` on an edge behind the maps that call a model.
pub fn etl_type(maps: &[Arc<str>]) -> LogicalType {
    let field = |name: &str, of: LogicalType| (name.to_owned(), of);
    let text = |name: &str| field(name, LogicalType::Varchar);
    let count = |name: &str| field(name, LogicalType::BigInt);
    let source = vec![text("name"), text("file"), count("line")];
    let failure = vec![text("stage"), text("kind"), text("reason"), count("attempts"), text("reply")];
    let mut fields = vec![
        text("key"),
        field("source", LogicalType::Struct(source)),
        field("origin", LogicalType::List(Box::new(LogicalType::BigInt))),
        field("failure", LogicalType::Struct(failure)),
    ];
    fields.extend(maps.iter().map(|map| {
        let answer = vec![
            text("model"),
            text("request"),
            count("attempt"),
            count("prompt_tokens"),
            count("completion_tokens"),
            field("cost", LogicalType::Decimal { width: 18, scale: 6 }),
        ];
        field(map, LogicalType::Struct(answer))
    }));
    LogicalType::Struct(fields)
}
