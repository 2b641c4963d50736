//! The built-in facts about a record: the struct `etl` of expressions and texts. Main type: [`About`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{FailureKind, LogicalType, Value};

/// The name of the built-in field.
pub const ETL: &str = "etl";

/// Names inside `etl` that are reserved, so that no map calling a model may have them.
pub const RESERVED: &[&str] = &["key", "source", "origin", "failure", "fields"];

/// The origin of a record and its answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// Its source.
    pub source: Arc<str>,
    /// Its file.
    pub file: Option<Arc<str>>,
    /// The line of that file, from 1.
    pub line: Option<i64>,
    /// The identities of its source records; see [`origin_of`].
    pub origin: Arc<[i64]>,
    /// The maps that called a model for it, in order, and their answers.
    pub answers: Vec<(Arc<str>, Answered)>,
    /// Why it failed, if it came from a `failed` port.
    pub failure: Option<Failed>,
    /// Its pieces of enclosing splits, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<PieceOf>,
}

/// A piece of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceOf {
    /// The number of the record among those split in this run.
    pub record: i64,
    /// The number of the piece, from 1.
    pub at: i64,
}

/// An answer's metadata, limited to what is stable across runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The model that answered.
    pub model: Arc<str>,
    /// The id of the request.
    pub request: Arc<str>,
    /// The attempt, from 1.
    pub attempt: u32,
    /// Input tokens.
    pub prompt_tokens: u64,
    /// Output tokens.
    pub completion_tokens: u64,
    /// Its cost in millionths of a US dollar, if the price is known.
    pub cost_micros: Option<u64>,
}

/// Why a record failed, as available after a `failed` port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The stage where it failed.
    pub stage: Arc<str>,
    /// The kind of failure.
    pub kind: FailureKind,
    /// Why.
    pub reason: String,
    /// The number of requests sent for it.
    pub attempts: u32,
    /// The refused answer.
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

    /// Adds the answer of a map, and clears an earlier failure as repaired.
    #[must_use]
    pub fn with_answer(&self, map: &Arc<str>, answered: Answered) -> Self {
        let mut about = self.clone();
        about.answers.retain(|(name, _)| name != map);
        about.answers.push((Arc::clone(map), answered));
        about.failure = None;
        about
    }

    /// The value of `etl`, of the type returned by [`etl_type`].
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

/// The type of `etl` on an edge after these maps.
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
