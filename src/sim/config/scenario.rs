//! Scenarios: simulator configurations in YAML.

use std::{fs, io, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{
    sim::{
        Endings, ErrorShape, ErrorsIn, Fault, FaultKind, FaultOn, MisfitKinds, RetryAfter, Spread,
        config::{Announce, LimitChange, SimConfig},
    },
    units::{Rate, Span, UnitError},
};

/// The named scenarios.
pub const SCENARIOS: &[(&str, &str)] = &[
    ("calm", include_str!("../../../pipelines/scenarios/calm.yaml")),
    ("busy", include_str!("../../../pipelines/scenarios/busy.yaml")),
    ("flaky", include_str!("../../../pipelines/scenarios/flaky.yaml")),
    ("hostile", include_str!("../../../pipelines/scenarios/hostile.yaml")),
    ("philosophy", include_str!("../../../pipelines/scenarios/philosophy.yaml")),
    ("limit-hidden", include_str!("../../../pipelines/scenarios/limit-hidden.yaml")),
    ("limit-announced", include_str!("../../../pipelines/scenarios/limit-announced.yaml")),
    ("limit-second", include_str!("../../../pipelines/scenarios/limit-second.yaml")),
    ("limit-misannounced", include_str!("../../../pipelines/scenarios/limit-misannounced.yaml")),
    ("limit-tokens", include_str!("../../../pipelines/scenarios/limit-tokens.yaml")),
    ("limit-pages", include_str!("../../../pipelines/scenarios/limit-pages.yaml")),
    ("limit-halved", include_str!("../../../pipelines/scenarios/limit-halved.yaml")),
    ("limit-shared", include_str!("../../../pipelines/scenarios/limit-shared.yaml")),
    ("sporadic", include_str!("../../../pipelines/scenarios/sporadic.yaml")),
    ("outage", include_str!("../../../pipelines/scenarios/outage.yaml")),
];

/// Why a scenario cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// It is neither a named scenario nor a readable file.
    #[error("there is no scenario `{name}`: expected a file, or one of {}", names())]
    Unknown {
        /// The name or path.
        name: String,
        /// Why the file cannot be read.
        source: io::Error,
    },
    /// It is invalid.
    #[error("{name}: {message}")]
    Wrong {
        /// The file or the name.
        name: String,
        /// What is wrong, with line and column.
        message: String,
    },
}

fn names() -> String {
    SCENARIOS.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl SimConfig {
    /// Applies a scenario: one of [`SCENARIOS`] by name, or a file by path.
    ///
    /// # Errors
    /// There is no such scenario, or it is invalid; with the place.
    ///
    /// ```
    /// let config = etl::sim::SimConfig::default().with_scenario("busy").unwrap();
    /// assert_eq!(config.requests.unwrap().to_string(), "60/min");
    /// ```
    pub fn with_scenario(self, name: &str) -> Result<Self, ScenarioError> {
        match SCENARIOS.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => self.with_yaml(name, text),
            None => {
                let unknown = |source| ScenarioError::Unknown { name: name.to_owned(), source };
                self.with_yaml(name, &fs::read_to_string(name).map_err(unknown)?)
            }
        }
    }

    /// Applies a scenario's text; settings that it does not mention stay. `name` is for messages.
    ///
    /// # Errors
    /// The mistake with its place.
    pub fn with_yaml(self, name: &str, text: &str) -> Result<Self, ScenarioError> {
        let mut options = serde_yaml::Options::default();
        options.with_snippet = false;
        let read = serde_yaml::from_str_with_options::<Scenario>(text, options);
        let wrong = |error: serde_yaml::Error| ScenarioError::Wrong {
            name: name.to_owned(),
            message: error.to_string(),
        };
        Ok(read.map_err(wrong)?.over(self))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Scenario {
    /// For the reader.
    #[serde(rename = "description")]
    _description: Option<String>,
    seed: Option<u64>,
    speed: Option<Positive>,
    latency: Times,
    limits: Limits,
    misfits: MisfitsPart,
    faults: Vec<FaultPart>,
    batch: BatchPart,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Times {
    #[serde(deserialize_with = "quantity")]
    median: Option<Span>,
    spread: Option<Positive>,
    tail: Option<Share>,
    tail_times: Option<Positive>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Limits {
    #[serde(deserialize_with = "quantity")]
    requests: Option<Rate>,
    #[serde(deserialize_with = "quantity")]
    burst: Option<Rate>,
    #[serde(deserialize_with = "quantity")]
    tokens: Option<Rate>,
    #[serde(deserialize_with = "quantity")]
    pages: Option<Rate>,
    announce: Option<Announce>,
    change: Option<ChangePart>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangePart {
    #[serde(deserialize_with = "quantity")]
    at: Option<Span>,
    times: Positive,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct MisfitsPart {
    share: Option<Share>,
    kinds: Option<MisfitKinds>,
    of: Option<u64>,
    again: Option<Vec<Share>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultPart {
    kind: KindPart,
    #[serde(default)]
    on: FaultOn,
    share: Option<Share>,
    status: Option<u16>,
    #[serde(default, deserialize_with = "quantity")]
    over: Option<Span>,
    #[serde(default, deserialize_with = "quantity")]
    from: Option<Span>,
    #[serde(default, rename = "for", deserialize_with = "quantity")]
    lasting: Option<Span>,
    #[serde(default, deserialize_with = "quantity")]
    every: Option<Span>,
    retry_after: Option<RetryPart>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum KindPart {
    Capacity,
    Limit,
    Status,
    Html,
    Cut,
    Lost,
    CutBody,
    WrongLength,
    Hang,
    SlowBody,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RetryPart {
    form: FormPart,
    #[serde(default, deserialize_with = "quantity")]
    wait: Option<Span>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum FormPart {
    Seconds,
    Date,
    Ms,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct BatchPart {
    queue: Times,
    #[serde(deserialize_with = "quantity")]
    run: Option<Span>,
    #[serde(deserialize_with = "quantity")]
    line: Option<Span>,
    failed: Option<Share>,
    missing: Option<Share>,
    endings: Option<Endings>,
    errors: Option<ErrorsIn>,
    shapes: Option<Vec<ErrorShape>>,
    pending: Option<u64>,
}

/// From 0 to 1.
struct Share(f64);

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let share = f64::deserialize(deserializer)?;
        if (0.0..=1.0).contains(&share) {
            return Ok(Self(share));
        }
        Err(D::Error::custom(format!("`{share}` is not a valid share: expected a number from 0 to 1")))
    }
}

/// Finite and not negative.
struct Positive(f64);

impl<'de> Deserialize<'de> for Positive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        if number.is_finite() && number >= 0.0 {
            return Ok(Self(number));
        }
        Err(D::Error::custom(format!("`{number}` is too small: expected a positive number")))
    }
}

fn quantity<'de, D: Deserializer<'de>, T: FromStr<Err = UnitError>>(of: D) -> Result<Option<T>, D::Error> {
    let text = String::deserialize(of)?;
    text.parse().map(Some).map_err(|error| D::Error::custom(format!("found `{text}`, {error}")))
}

fn set<T>(to: &mut T, from: Option<T>) {
    if let Some(value) = from {
        *to = value;
    }
}

impl Times {
    fn over(&self, spread: &mut Spread) {
        set(&mut spread.median, self.median.map(|span| span.0));
        set(&mut spread.spread, self.spread.as_ref().map(|number| number.0));
        set(&mut spread.tail, self.tail.as_ref().map(|share| share.0));
        set(&mut spread.tail_times, self.tail_times.as_ref().map(|number| number.0));
    }
}

impl Scenario {
    fn over(self, mut config: SimConfig) -> SimConfig {
        set(&mut config.seed, self.seed);
        set(&mut config.speed, self.speed.map(|speed| speed.0));
        let mut latency = config.latencies();
        self.latency.over(&mut latency);
        config.latency = latency.median;
        config.latency_spread = latency.spread;
        config.latency_tail = latency.tail;
        config.latency_tail_times = latency.tail_times;
        config.requests = self.limits.requests.or(config.requests);
        config.tokens = self.limits.tokens.or(config.tokens);
        config.burst = self.limits.burst.or(config.burst);
        config.pages = self.limits.pages.or(config.pages);
        set(&mut config.announce, self.limits.announce);
        let change = self.limits.change.map(|change| LimitChange {
            at: change.at.map_or(Duration::ZERO, |span| span.0),
            times: change.times.0,
        });
        config.limit_change = change.or(config.limit_change);
        set(&mut config.misfits, self.misfits.share.map(|share| share.0));
        set(&mut config.misfit.kinds, self.misfits.kinds);
        config.misfit.of = self.misfits.of.or(config.misfit.of);
        let again = self.misfits.again.map(|shares| shares.iter().map(|share| share.0).collect());
        set(&mut config.misfit.again, again);
        config.faults.extend(self.faults.iter().map(FaultPart::fault));
        let batch = &mut config.batch;
        self.batch.queue.over(&mut batch.queue);
        set(&mut batch.run, self.batch.run.map(|span| span.0));
        set(&mut batch.line, self.batch.line.map(|span| span.0));
        set(&mut batch.failed, self.batch.failed.map(|share| share.0));
        set(&mut batch.missing, self.batch.missing.map(|share| share.0));
        set(&mut batch.pending, self.batch.pending);
        set(&mut batch.endings, self.batch.endings);
        set(&mut batch.errors, self.batch.errors);
        set(&mut batch.shapes, self.batch.shapes);
        config
    }
}

impl FaultPart {
    fn fault(&self) -> Fault {
        let over = self.over.map_or(Duration::from_secs(5), |span| span.0);
        let kind = match self.kind {
            KindPart::Capacity => FaultKind::Capacity,
            KindPart::Limit => FaultKind::Limit,
            KindPart::Status => FaultKind::Status(self.status.unwrap_or(503)),
            KindPart::Html => FaultKind::Html(self.status.unwrap_or(502)),
            KindPart::Cut => FaultKind::Cut,
            KindPart::Lost => FaultKind::Lost,
            KindPart::CutBody => FaultKind::CutBody,
            KindPart::WrongLength => FaultKind::WrongLength,
            KindPart::Hang => FaultKind::Hang,
            KindPart::SlowBody => FaultKind::SlowBody(over),
        };
        Fault {
            kind,
            on: self.on,
            share: self.share.as_ref().map_or(1.0, |share| share.0),
            from: self.from.map_or(Duration::ZERO, |span| span.0),
            lasting: self.lasting.map(|span| span.0),
            every: self.every.map(|span| span.0),
            retry_after: self.retry_after.as_ref().map(RetryPart::retry_after),
        }
    }
}

impl RetryPart {
    fn retry_after(&self) -> RetryAfter {
        let wait = self.wait.map_or(Duration::from_secs(1), |span| span.0);
        match self.form {
            FormPart::Seconds => RetryAfter::Seconds(wait),
            FormPart::Date => RetryAfter::Date(wait),
            FormPart::Ms => RetryAfter::Millis(wait),
        }
    }
}
