//! `map:` with a task calls a model: its keys, and the struct they are read into.

use serde_json::Value;

use crate::diagnostic::Fault;

use super::{
    batch::{self, BatchSpec},
    common::{FROM, INTO, WHEN, stage_name},
    concurrency::{self, Concurrency},
    retry::{RETRY, Retry},
    task::{TASK_KEYS, TASKS, TaskSpec, task},
};
use crate::spec::{
    describe::{Broken, Choice, Key, Preset, Shape, Type, Written, key},
    text::{Name, Text},
    value::{Checked, FromValue, Own, Value as Given},
};

/// `map:` with `chat:`, `embed:`, `ocr:`, `moderate:`, `classify:`, or `submit:` around one of them
#[derive(Debug, Clone, PartialEq)]
pub struct AskSpec {
    /// The model to call.
    pub model: Text,
    /// What the model does.
    pub task: TaskSpec,
    /// Requests in flight at once.
    pub concurrency: Concurrency,
    /// The most attempts to get a valid answer.
    pub attempts: u32,
    /// What happens when a request fails.
    pub retry: Retry,
    /// The field for the result; by default the stage's name.
    pub into: Option<Name>,
    /// How requests are grouped into jobs, if they are.
    pub batch: Option<BatchSpec>,
    /// Conditions on an answer and its record, by name.
    pub expect: Vec<(Name, Text)>,
    /// Whether the next attempt includes the refused answer and the reason.
    pub feedback: bool,
    /// The simulator's answers.
    pub mock: Option<MockSpec>,
    /// The number of answers per record, each in a separate record.
    pub samples: Option<u64>,
}

/// `mock:`
#[derive(Debug, Clone, PartialEq)]
pub enum MockSpec {
    /// An expression over the record.
    Expression(Text),
    /// By the record's key.
    ByKey(Value),
}

impl FromValue for MockSpec {
    fn from_value(value: Given) -> Option<Self> {
        match value {
            Given::Text(text) => Some(Self::Expression(text)),
            Given::Json(_, value, _) => Some(Self::ByKey(value)),
            _ => None,
        }
    }
}

impl AskSpec {
    /// The default of `attempts`.
    pub(super) const ATTEMPTS: u32 = 1;

    /// The default of `feedback`.
    pub(super) const FEEDBACK: bool = true;
}

pub(super) const EXPECT: Key = key(
    "expect",
    Type::Own(true, &Type::Text(Written::Condition), "name: condition"),
    "expect: { sums: 'list_sum(extract.lines) = extract.total' }",
    "Conditions over the record with its answer. One that is false or NULL refuses the answer for this record.",
);

pub(super) const FEEDBACK: Key = key(
    "feedback",
    Type::Flag,
    "feedback: false",
    "Whether the next attempt of a chat is shown the refused answer and the reason; otherwise the same request is sent again.",
)
.or(Preset::Flag(AskSpec::FEEDBACK));

pub(super) const MOCK: Key = key(
    "mock",
    Type::Either(&[Type::Json("a mapping, `key: answer`"), Type::Text(Written::Expression)]),
    "mock: { R1: { title: On Liberty } }",
    "What the simulator answers in an offline run: an expression over the record, or answers by its key. NULL, and a key that is absent, leave it to the simulator.",
);

/// `expect:` of a mapping.
pub(super) fn expectations(map: &mut Checked) -> Vec<(Name, Text)> {
    let Own(expect) = map.or("expect", Own(Vec::new()));
    expect
}

pub(super) const ATTEMPTS: Key = key(
    "attempts",
    Type::Count("attempts", 1, 100),
    "attempts: 3",
    "How often an answer is requested in all, when it is refused (it does not fit the schema, or was cut).",
)
.or(Preset::Count(AskSpec::ATTEMPTS as u64));

pub(crate) static SHAPE: Shape = Shape {
    family: "a map",
    refused: &[(
        "for_each",
        "listed values become separate records: put `- map: NAME` with `split: { values: […] }` above",
    )],
    ..Shape::new(
        "asks",
        "a map that calls a model",
        "Sends one request per record to a model.",
        &[
            &[stage_name("map", "map: extract"), FROM, WHEN],
            TASK_KEYS,
            &[
                key(
                    "batch",
                    Type::Map(&batch::BATCH),
                    "batch: { max_requests: 5000 }",
                    "Sends the requests in batch jobs, at half the price.",
                ),
                key(
                    "concurrency",
                    concurrency::ANY,
                    "concurrency: { auto: { min: 2, max: 64 } }",
                    "How many requests are in flight at once; with `batch:`, how many jobs are sent at once.",
                )
                .or(concurrency::PRESET),
                key(
                    "samples",
                    Type::Count("samples", 1, 1000),
                    "samples: 3",
                    "How many answers each record gets: each in a record of its own, with its number from 1 as `NAME_sample`, \
                     which extends the key.",
                ),
                ATTEMPTS,
                FEEDBACK,
                EXPECT,
                MOCK,
                key(
                    "retry",
                    RETRY,
                    "retry: { times: 3, max_wait: 30s }",
                    "What happens when a request gets no answer; a number is short for `times`.",
                ),
                INTO,
            ],
        ],
    )
    .choice(Choice::One("map", TASKS))
    .rule(|map| {
        let has = |key: &str| map.entries.iter().any(|entry| entry.name == key);
        // The service decides the concurrency within a job.
        let is_broken = has("batch") && has("concurrency") && map.count("concurrency").is_none();
        let fault =
            Fault::WrongShape { found: "`auto`".to_owned(), wanted: concurrency::FIXED.wanted().into() };
        is_broken.then_some(Broken { key: "concurrency", fault })
    })
};

pub(super) fn build(mut map: Checked) -> Option<AskSpec> {
    let batch = map.get("batch").map(batch::batch);
    let retry = map.or("retry", Retry::DEFAULT);
    let into = map.get("into");
    let concurrency = map.or("concurrency", Concurrency::DEFAULT);
    let attempts = map.or("attempts", AskSpec::ATTEMPTS);
    let feedback = map.or("feedback", AskSpec::FEEDBACK);
    let expect = expectations(&mut map);
    let (mock, samples) = (map.get("mock"), map.get("samples"));
    let (model, task) = task(map)?;
    Some(AskSpec { model, task, concurrency, attempts, retry, into, batch, expect, feedback, mock, samples })
}
