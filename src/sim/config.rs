//! How the simulator behaves.

use std::time::Duration;

use crate::units::Rate;

use super::dice::Dice;

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
    /// The latency of the middle request; others take between half of it and three times as long.
    pub latency: Duration,
    /// More requests than this are answered with 429.
    pub requests: Option<Rate>,
    /// The share of answers that do not fit the schema that was asked for, 0 to 1.
    pub misfits: f64,
    /// How batch jobs go.
    pub batch: BatchConfig,
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
            requests: None,
            misfits: 0.165,
            batch: BatchConfig::default(),
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
    /// Where lines that failed are told of.
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

/// How many jobs end which way, as weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Endings {
    /// `SUCCESS`.
    pub success: f64,
    /// `FAILED` in the middle, with the answers so far.
    pub failed: f64,
    /// `FAILED` at the start, with no file at all.
    pub failed_bare: f64,
    /// `TIMEOUT_EXCEEDED` in the middle, with the answers so far.
    pub timeout: f64,
}

impl Default for Endings {
    fn default() -> Self {
        Self { success: 1.0, failed: 0.0, failed_bare: 0.0, timeout: 0.0 }
    }
}

/// Where lines that failed are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorsIn {
    /// In a file of their own.
    ErrorFile,
    /// Between the answers, with their status.
    OutputFile,
    /// One job this way, the next that.
    Either,
}

/// The shapes that a failed line has been seen in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    pub(super) fn draw(&self, dice: &mut Dice) -> Duration {
        let long = if dice.chance(self.tail) { self.tail_times } else { 1.0 };
        let times = (self.spread * dice.normal()).exp() * long;
        Duration::try_from_secs_f64(self.median.as_secs_f64() * times).unwrap_or(Duration::MAX)
    }
}
