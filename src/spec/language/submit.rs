//! `map:` with `submit:` or `collect:`, the ends of the long form of a batch: their keys and the structs they are
//! read into.

use super::{
    ask::{ATTEMPTS, AskSpec, EXPECT, FEEDBACK, MOCK, expectations},
    batch::{BOUNDS, bounds},
    common::{FROM, INTO, WHEN, stage_name},
    concurrency::{self, Concurrency},
    retry::Retry,
    task::{TASK_KEYS, TASKS, task},
};
use crate::spec::{
    describe::{Choice, Shape, Type, key},
    text::Name,
    value::Checked,
};

/// `map:` with `collect:`
#[derive(Debug, Clone, PartialEq)]
pub struct CollectSpec {
    /// The field for the result; by default the stage's name.
    pub into: Option<Name>,
}

pub(crate) static SUBMITS: Shape = Shape {
    family: "a map",
    ..Shape::new(
        "submits",
        "a map with `submit:`",
        "Groups requests into batch jobs: many records in, one job out.",
        &[&[
            stage_name("map", "map: job"),
            FROM,
            WHEN,
            key(
                "submit",
                Type::Map(&SUBMIT),
                "submit: { chat: { model: mistral-small-latest, prompt: \"{{ text }}\" } }",
                "The request of each record, and when a job is sent.",
            )
            .required(),
            key("concurrency", concurrency::FIXED, "concurrency: 2", "How many jobs are sent at once.")
                .or(concurrency::PRESET),
            ATTEMPTS,
            FEEDBACK,
            EXPECT,
            MOCK,
        ]],
    )
    .choice(Choice::One("map", &["submit"]))
};

static SUBMIT: Shape =
    Shape::new("submit", "`submit:`", "One kind of request, and when a job is sent.", &[TASK_KEYS, BOUNDS])
        .choice(Choice::One("submit of", TASKS));

pub(crate) static COLLECTS: Shape = Shape {
    family: "a map",
    ..Shape::new(
        "collects",
        "a map with `collect:`",
        "Turns finished batch jobs into their records: one job in, its records out.",
        &[&[
            stage_name("map", "map: extract"),
            FROM,
            key("collect", Type::Map(&COLLECT), "collect: {}", "Collects the jobs of the `submit:` above.")
                .required(),
            INTO,
        ]],
    )
    .choice(Choice::One("map", &["collect"]))
};

static COLLECT: Shape = Shape::new("collect", "`collect:`", "Has no keys.", &[]);

pub(super) fn submit(mut map: Checked) -> Option<AskSpec> {
    let attempts = map.or("attempts", AskSpec::ATTEMPTS);
    let concurrency = map.get("concurrency").map_or(Concurrency::DEFAULT, Concurrency::Fixed);
    let feedback = map.or("feedback", AskSpec::FEEDBACK);
    let expect = expectations(&mut map);
    let mock = map.get("mock");
    let mut submit: Checked = map.get("submit")?;
    let batch = Some(bounds(&mut submit));
    let (model, task) = task(submit)?;
    let retry = Retry::DEFAULT;
    let (into, samples) = (None, None);
    Some(AskSpec { model, task, concurrency, attempts, retry, into, batch, expect, feedback, mock, samples })
}

pub(super) fn collect(mut map: Checked) -> Option<CollectSpec> {
    let _: Checked = map.get("collect")?;
    Some(CollectSpec { into: map.get("into") })
}
