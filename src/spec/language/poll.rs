//! `poll:` waits for batch jobs: its keys, and the struct they are read into.

use std::time::Duration;

use super::common::{FROM, stage_name};
use crate::spec::{
    describe::{Key, Preset, Shape, Type, Word, Written, key},
    text::Text,
    value::Checked,
};

/// `poll:`
#[derive(Debug, Clone, PartialEq)]
pub struct PollSpec {
    /// When to check.
    pub schedule: PollSchedule,
    /// The condition that ends it; by default a final status of the service.
    pub until: Option<Text>,
}

/// When a poll checks its jobs, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PollSchedule {
    /// The interval between the first two checks.
    pub every: Duration,
    /// The factor by which each pause grows.
    pub factor: f64,
    /// The longest pause.
    pub max: Duration,
    /// When to give up.
    pub timeout: Duration,
    /// What happens on a timeout.
    pub on_timeout: OnTimeout,
}

impl PollSchedule {
    /// The default.
    pub const DEFAULT: Self = Self {
        every: Duration::from_secs(30),
        factor: 1.5,
        max: Duration::from_secs(120),
        timeout: Duration::from_secs(24 * 3600),
        on_timeout: OnTimeout::Fail,
    };
}

/// What happens to a job when its poll times out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTimeout {
    /// Its records stay pending; the job continues, and the next run resumes it.
    Fail,
    /// It is cancelled, and the answers so far are collected.
    Cancel,
}

impl OnTimeout {
    const fn word(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Cancel => "cancel",
        }
    }
}

pub(crate) static SHAPE: Shape = Shape::new(
    "poll",
    "a poll",
    "Waits for the batch jobs of the `submit:` above: one check at once, then one a period until the job ends.",
    &[&[stage_name("poll", "poll: finished"), FROM, JOB], SCHEDULE, &[UNTIL]],
);

const JOB: Key = key(
    "job",
    Type::Word("job", &[Word("mistral", "a job of Mistral's Batch API")]),
    "job: mistral",
    "The service whose jobs are polled.",
)
.required();

const UNTIL: Key = key(
    "until",
    Type::Text(Written::Condition),
    "until: job.completed > 100",
    "A condition on `job.{status, requests, completed, succeeded, failed}` that ends the poll before the job ends.",
)
.or(Preset::Says("the job has ended"));

/// When to check and when to give up; also part of `batch:`.
pub(super) const SCHEDULE: &[Key] = &[
    key("every", Type::Duration, "every: 10s", "The interval between the first two checks.")
        .or(Preset::Duration(PollSchedule::DEFAULT.every)),
    key("backoff", Type::Map(&BACKOFF), "backoff: { factor: 2, max: 5min }", "How the pauses grow."),
    key("timeout", Type::Duration, "timeout: 48h", "When to give up.")
        .or(Preset::Duration(PollSchedule::DEFAULT.timeout)),
    key(
        "on_timeout",
        Type::Word(
            "end",
            &[
                Word(OnTimeout::Fail.word(), "leaves the job to the next run; its records are pending"),
                Word(OnTimeout::Cancel.word(), "cancels the job and collects what it has answered"),
            ],
        ),
        "on_timeout: cancel",
        "What happens to the job then.",
    )
    .or(Preset::Word(PollSchedule::DEFAULT.on_timeout.word())),
];

static BACKOFF: Shape = Shape::new(
    "backoff",
    "`backoff:`",
    "How the pauses between checks grow.",
    &[&[
        key(
            "factor",
            Type::Number(1.0, 100.0),
            "factor: 2",
            "Each pause is this many times as long as the one before.",
        )
        .or(Preset::Number(PollSchedule::DEFAULT.factor)),
        key(
            "max",
            Type::Wait,
            "max: 5min",
            "The longest pause, 2min by default, or `every` if that is longer.",
        )
        .or(Preset::Duration(PollSchedule::DEFAULT.max)),
    ]],
);

pub(super) fn build(mut map: Checked) -> Option<PollSpec> {
    let schedule = schedule(&mut map);
    let _: &str = map.get("job")?;
    Some(PollSpec { schedule, until: map.get("until") })
}

/// Reads the keys of [`SCHEDULE`].
pub(super) fn schedule(map: &mut Checked) -> PollSchedule {
    let usual = PollSchedule::DEFAULT;
    let every = map.or("every", usual.every);
    let mut backoff: Option<Checked> = map.get("backoff");
    let backoff = backoff.as_mut();
    let (factor, max) = backoff.map_or((None, None), |backoff| (backoff.get("factor"), backoff.get("max")));
    PollSchedule {
        every,
        factor: factor.unwrap_or(usual.factor),
        max: max.unwrap_or_else(|| usual.max.max(every)),
        timeout: map.or("timeout", usual.timeout),
        on_timeout: map.get("on_timeout").map_or(usual.on_timeout, |word: &str| match word {
            "cancel" => OnTimeout::Cancel,
            _ => OnTimeout::Fail,
        }),
    }
}
