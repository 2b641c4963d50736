//! `map:` with one of the tasks calls a model: its keys and what they are read into.

use crate::diagnostic::Fault;

use super::{
    batch::{self, BatchSpec},
    common::{FROM, INTO, WHEN, stage_name},
    concurrency::{self, Concurrency},
    retry::{RETRY, Retry},
    task::{TASK_KEYS, TASKS, TaskSpec, task},
};
use crate::spec::{
    describe::{Broken, Choice, Key, Preset, Shape, Type, key},
    text::{Name, Text},
    value::Checked,
};

/// `map:` with `chat:`, `embed:`, `ocr:`, `moderate:`, `classify:`, or `submit:` around one of them
#[derive(Debug, Clone, PartialEq)]
pub struct AskSpec {
    /// The model to call.
    pub model: Text,
    /// What it is asked.
    pub task: TaskSpec,
    /// Requests in flight at once.
    pub concurrency: Concurrency,
    /// How often a refused answer is asked for in all.
    pub attempts: u32,
    /// What happens when there is no answer.
    pub retry: Retry,
    /// Where the result is put; by default the stage's name.
    pub into: Option<Name>,
    /// How requests are grouped into jobs, if they are.
    pub batch: Option<BatchSpec>,
}

impl AskSpec {
    /// The default of `attempts`.
    pub(super) const ATTEMPTS: u32 = 1;
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
        "values that are written out make records of their own: put `- map: NAME` with `split: { values: […] }` above",
    )],
    ..Shape::new(
        "asks",
        "a map that calls a model",
        "Sends one request a record to a model.",
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
                ATTEMPTS,
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
        // What runs at once within a job is up to the service.
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
    let (model, task) = task(map)?;
    Some(AskSpec { model, task, concurrency, attempts, retry, into, batch })
}
