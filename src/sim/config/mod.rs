//! The configuration of the simulator.

pub(crate) mod faults;
pub(crate) mod scenario;
pub(crate) mod supplied_answers;

use std::time::Duration;

use serde::Deserialize;

use crate::{
    sim::{
        answer::misfits::Misfits,
        config::{faults::Fault, supplied_answers::SuppliedAnswers},
        dice::Dice,
    },
    units::Rate,
};

/// The configuration of the simulator.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// The port on 127.0.0.1; 0 for any free port.
    pub port: u16,
    /// The same seed and the same requests yield the same answers.
    pub seed: u64,
    /// How much faster batch jobs run than at the service: at 3600, an hour of a job takes a second. Direct
    /// answers keep to wall-clock time, as the clients' own limits do.
    pub speed: f64,
    /// The median latency.
    pub latency: Duration,
    /// The spread around it, as in [`Spread::spread`].
    pub latency_spread: f64,
    /// The share of requests that take much longer, 0 to 1.
    pub latency_tail: f64,
    /// How many times longer these take.
    pub latency_tail_times: f64,
    /// The most requests per model in any window of this rate; further ones are answered with 429.
    pub requests: Option<Rate>,
    /// A second limit on requests, over another window.
    pub burst: Option<Rate>,
    /// The most tokens, likewise; prompts and answers together.
    pub tokens: Option<Rate>,
    /// The most pages of documents, likewise.
    pub pages: Option<Rate>,
    /// How headers announce these limits.
    pub announce: Announce,
    /// When these limits change, if they do.
    pub limit_change: Option<LimitChange>,
    /// The share of answers that do not fit the requested schema, 0 to 1.
    pub misfits: f64,
    /// The kinds of misfit.
    pub misfit: Misfits,
    /// Faults between a client and the service.
    pub faults: Vec<Fault>,
    /// The course of batch jobs.
    pub batch: BatchConfig,
    /// Supplied answers.
    pub supplied: SuppliedAnswers,
}

/// How headers announce the limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Announce {
    /// Per minute, whatever their windows are.
    #[default]
    Minute,
    /// Per second or per minute, as they really are.
    Window,
    /// Not at all.
    Never,
}

/// A change of all limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LimitChange {
    /// When it happens, after the start.
    pub at: Duration,
    /// The factor applied to the limits from then on.
    pub times: f64,
}

impl Default for SimConfig {
    /// As quick as a small model on a good day, misfits as frequent as in a real run with 723 texts, and batch
    /// jobs that end within moments.
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
            supplied: SuppliedAnswers::default(),
        }
    }
}

impl SimConfig {
    /// The distribution of latencies.
    pub(crate) const fn latencies(&self) -> Spread {
        Spread {
            median: self.latency,
            spread: self.latency_spread,
            tail: self.latency_tail,
            tail_times: self.latency_tail_times,
        }
    }
}

/// The course of batch jobs, in the service's time, which `SimConfig::speed` accelerates.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchConfig {
    /// The time in the queue.
    pub queue: Spread,
    /// The base running time of any job.
    pub run: Duration,
    /// The time added by each line.
    pub line: Duration,
    /// The share of valid lines that fail at random, 0 to 1.
    pub failed: f64,
    /// The share of lines that end up in neither file, 0 to 1.
    pub missing: f64,
    /// How jobs end.
    pub endings: Endings,
    /// Where failed lines are reported.
    pub errors: ErrorsIn,
    /// The shapes of failed lines; each line has one of them.
    pub shapes: Vec<ErrorShape>,
    /// The most pending lines in the jobs of one key.
    pub pending: u64,
    /// The largest file that may be uploaded, in bytes.
    pub largest_file: u64,
}

impl Default for BatchConfig {
    /// 723 lines took 56 minutes in the real run; all lines are returned.
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

/// The weights of how jobs end; an ending that a scenario does not set never occurs.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endings {
    /// `SUCCESS`.
    #[serde(default)]
    pub success: f64,
    /// `FAILED` in the middle, with the answers so far.
    #[serde(default)]
    pub failed: f64,
    /// `FAILED` at the start, without any file.
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
    /// In a separate file.
    ErrorFile,
    /// Among the answers, with their status.
    OutputFile,
    /// Alternating between jobs.
    Either,
}

/// Shapes of failed lines seen in practice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorShape {
    /// `response.body` is a string with the JSON of an error.
    Text,
    /// `response.body` is the error.
    Object,
    /// No response, only `error.message`. Occurs only in an error file.
    Bare,
}

/// A varying duration: a log-normal distribution, with a share that takes much longer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The median.
    pub median: Duration,
    /// The standard deviation of the logarithm: 0 for always the median; at 0.5, two thirds are between 0.6 and
    /// 1.6 times it.
    pub spread: f64,
    /// The share in the tail, 0 to 1.
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
