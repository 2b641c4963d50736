//! How the simulator behaves.

pub(crate) mod faults;
pub(crate) mod given;
pub(crate) mod scenario;

use std::time::Duration;

use serde::Deserialize;

use crate::{
    sim::{
        answer::misfits::Misfits,
        config::{faults::Fault, given::GivenAnswers},
        dice::Dice,
    },
    units::Rate,
};

/// How the simulator behaves.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// The port on 127.0.0.1; 0 for any that is free.
    pub port: u16,
    /// The same seed and the same requests give the same answers.
    pub seed: u64,
    /// How much faster than the service's batch jobs go: at 3600 an hour of a job takes a second. Single
    /// answers keep the time of the clock on the wall, as the clients' own limits do.
    pub speed: f64,
    /// The latency of the middle request.
    pub latency: Duration,
    /// How the others lie around it, as in [`Spread::spread`].
    pub latency_spread: f64,
    /// The share of requests that take much longer, 0 to 1.
    pub latency_tail: f64,
    /// How many times longer.
    pub latency_tail_times: f64,
    /// More requests than this to one model are answered with 429: so many in any window of its time.
    pub requests: Option<Rate>,
    /// More requests than this likewise: a second limit, over another window.
    pub burst: Option<Rate>,
    /// More tokens than this likewise, those of prompts and answers together.
    pub tokens: Option<Rate>,
    /// More pages of documents than this likewise.
    pub pages: Option<Rate>,
    /// How headers announce these limits.
    pub announce: Announce,
    /// When these limits change, if they do.
    pub limit_change: Option<LimitChange>,
    /// The share of answers that do not fit the schema that was asked for, 0 to 1.
    pub misfits: f64,
    /// In which ways they do not.
    pub misfit: Misfits,
    /// What goes wrong between a client and the service.
    pub faults: Vec<Fault>,
    /// How batch jobs go.
    pub batch: BatchConfig,
    /// Answers that are written out.
    pub given: GivenAnswers,
}

/// How headers announce the limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Announce {
    /// As numbers a minute, whatever their windows are.
    #[default]
    Minute,
    /// As what they are: a second or a minute.
    Window,
    /// Not at all.
    Never,
}

/// A change of all limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LimitChange {
    /// When it happens, counted from the start.
    pub at: Duration,
    /// How many times as high they are from then on.
    pub times: f64,
}

impl Default for SimConfig {
    /// As quick as a small model on a good day, as often wrong as one was in a real run of 723 texts, and
    /// with batch jobs that end while one looks on.
    fn default() -> Self {
        Self {
            port: 0,
            seed: 1,
            speed: 3600.0,
            latency: Duration::from_millis(300),
            latency_spread: 0.35,
            latency_tail: 0.05,
            latency_tail_times: 3.0,
            requests: None,
            burst: None,
            tokens: None,
            pages: None,
            announce: Announce::Minute,
            limit_change: None,
            misfits: 0.165,
            misfit: Misfits::default(),
            faults: Vec::new(),
            batch: BatchConfig::default(),
            given: GivenAnswers::default(),
        }
    }
}

impl SimConfig {
    /// The latencies as one distribution.
    pub(crate) const fn latencies(&self) -> Spread {
        Spread {
            median: self.latency,
            spread: self.latency_spread,
            tail: self.latency_tail,
            tail_times: self.latency_tail_times,
        }
    }
}

/// How batch jobs go, in the service's own time: `SimConfig::speed` says how fast that passes here.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchConfig {
    /// The time in the queue.
    pub queue: Spread,
    /// The time that any job runs.
    pub run: Duration,
    /// The time that each line adds to it.
    pub line: Duration,
    /// The share of lines that fail although nothing is wrong with them, 0 to 1.
    pub failed: f64,
    /// The share of lines that are in neither file in the end, 0 to 1.
    pub missing: f64,
    /// How jobs end.
    pub endings: Endings,
    /// Where failed lines are reported.
    pub errors: ErrorsIn,
    /// In which shapes; each line has one of them.
    pub shapes: Vec<ErrorShape>,
    /// The most lines that the jobs of one key may have waiting.
    pub pending: u64,
    /// The largest file that may be uploaded, in bytes.
    pub largest_file: u64,
}

impl Default for BatchConfig {
    /// 723 lines ran for 56 minutes in the real run; every line comes back.
    fn default() -> Self {
        Self {
            queue: Spread { median: Duration::from_secs(600), spread: 0.5, tail: 0.0, tail_times: 1.0 },
            run: Duration::from_secs(600),
            line: Duration::from_secs(4),
            failed: 0.0,
            missing: 0.0,
            endings: Endings::default(),
            errors: ErrorsIn::ErrorFile,
            shapes: vec![ErrorShape::Text, ErrorShape::Object, ErrorShape::Bare],
            pending: 1_000_000,
            largest_file: crate::mistral::wire::MAX_FILE_BYTES,
        }
    }
}

/// How many jobs end which way, as weights; what a scenario does not name does not come.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endings {
    /// `SUCCESS`.
    #[serde(default)]
    pub success: f64,
    /// `FAILED` in the middle, with the answers so far.
    #[serde(default)]
    pub failed: f64,
    /// `FAILED` at the start, with no file at all.
    #[serde(default)]
    pub failed_bare: f64,
    /// `TIMEOUT_EXCEEDED` in the middle, with the answers so far.
    #[serde(default)]
    pub timeout: f64,
}

impl Default for Endings {
    fn default() -> Self {
        Self { success: 1.0, failed: 0.0, failed_bare: 0.0, timeout: 0.0 }
    }
}

/// Where failed lines are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorsIn {
    /// In a file of their own.
    ErrorFile,
    /// Between the answers, with their status.
    OutputFile,
    /// One job this way, the next that.
    Either,
}

/// The shapes that a failed line has been seen in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorShape {
    /// `response.body` is a text that holds the JSON of an error.
    Text,
    /// `response.body` is the error.
    Object,
    /// No response: `error.message` alone. Only in a file of errors.
    Bare,
}

/// A length of time that varies: a log-normal distribution, and some that take much longer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The middle one.
    pub median: Duration,
    /// The deviation of the logarithm: 0 for always the median; at 0.5 two thirds lie within 0.6 and 1.6 of it.
    pub spread: f64,
    /// The share that belongs to the tail, 0 to 1.
    pub tail: f64,
    /// How many times longer the tail takes.
    pub tail_times: f64,
}

impl Spread {
    pub(crate) fn draw(&self, dice: &mut Dice) -> Duration {
        let long = if dice.chance(self.tail) { self.tail_times } else { 1.0 };
        let times = (self.spread * dice.normal()).exp() * long;
        Duration::try_from_secs_f64(self.median.as_secs_f64() * times).unwrap_or(Duration::MAX)
    }
}
