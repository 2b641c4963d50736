//! The rate controller: when the next request may start, and how long a refused one waits.
//!
//! A refusal is a fact about capacity; slowing down is an experiment that is kept only if it helps. After too
//! many refusals the controller sends well below the recently accepted rate and observes: are refusals as
//! frequent as before? Then they are sporadic, and slowing down does not help. Are they nearly gone? Then there
//! is a limit, and starts are paced. Any such decision may be wrong, so each must be cheap.
//!
//! Main type: [`Controller`], a state machine without a clock or randomness: times are seconds since an arbitrary
//! start, and a jitter from 0 to 1 is passed in. The [`Limiter`](super::limiter::Limiter) calls it.

use crate::mistral::{WaitCause, rate_limit_headers::AnnouncedLimit};

use super::{
    announced::{Admission, Cost, Windows},
    evidence,
    history::{Counts, History, Response},
    phase::{Phase, SlowStart, probe_distance},
    previous_rate::PreviousRate,
};

/// Attempts examined after a refusal.
const RECENT: u32 = 40;

/// Consecutive capacity refusals that count as an outage.
const CAPACITY_ROW: u32 = 16;

/// A slowdown on trial.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Experiment {
    /// The attempts that caused the slowdown.
    pub(super) before: Counts,
    /// The rate and the baseline known at that time.
    pub(super) rate: f64,
    pub(super) baseline: f64,
    /// When counting starts: before that, the server's window may still be full.
    pub(super) since: f64,
}

/// An admitted attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Start {
    id: u64,
    pub(super) sent: f64,
    cost: Cost,
    admission: Admission,
}

/// The details of a 429.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal<'a> {
    /// The limits announced in its headers.
    pub(super) announced: &'a [AnnouncedLimit],
    /// The requested wait in seconds, if any.
    pub(super) retry_after: Option<f64>,
    /// Whether the service itself lacks capacity (code 3505), regardless of this account's requests.
    pub(super) is_capacity: bool,
    /// How often this request was refused before.
    pub(super) before: u32,
    /// 0 to 1.
    pub(super) jitter: f64,
}

/// No attempt may start now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wait {
    /// The earliest time; `None` if it must wait for an answer.
    pub(super) until: Option<f64>,
    /// What holds it up; `None` during a slow start.
    pub(super) cause: Option<WaitCause>,
}

/// The state of one model's limits.
#[derive(Debug)]
pub(super) struct Controller {
    pub(super) history: History,
    pub(super) windows: Windows,
    pub(super) phase: Phase,
    /// Starts per second; 0 without pacing.
    pub(super) pace: f64,
    /// The earliest next start according to the pace.
    pub(super) next: f64,
    /// The rate known to be accepted.
    pub(super) known_rate: f64,
    pub(super) previous: PreviousRate,
    /// Rises interrupted in a row by a lack of capacity.
    pub(super) interrupted: u32,
    /// The share refused at any pace.
    pub(super) baseline: f64,
    /// When the last slow start began.
    pub(super) released: f64,
    /// Since when attempts are evidence about the current pace.
    pub(super) evidence: f64,
    pub(super) experiment: Experiment,
    /// How much slower the pace grows, after the same kind of closing has recurred.
    pub(super) caution: f64,
    /// Accepted requests by time, for the mean between two closings.
    pub(super) marks: Vec<(f64, u64)>,
    pub(super) mean_rate: Option<f64>,
    pub(super) accepted: u64,
}

impl Controller {
    /// A controller that starts its slow start now.
    pub(super) fn new(now: f64) -> Self {
        Self {
            history: History::default(),
            windows: Windows::default(),
            phase: Phase::SlowStart { since: now, started: 0, spread: SlowStart::FIRST },
            pace: 0.0,
            next: now,
            known_rate: 0.0,
            previous: PreviousRate::default(),
            interrupted: 0,
            baseline: 0.0,
            released: now,
            evidence: now,
            experiment: Experiment { since: now + 1.0, ..Experiment::default() },
            caution: 1.0,
            marks: vec![(now, 0)],
            mean_rate: None,
            accepted: 0,
        }
    }

    /// Admits an attempt, or returns what it waits for.
    pub(super) fn admit(&mut self, now: f64, cost: Cost) -> Result<Start, Wait> {
        let wait = |until, cause| Err(Wait { until: Some(until), cause });
        let limit = Some(WaitCause::AccountLimit);
        let admission = self.windows.admit(now, cost);
        if let Admission::At(until) = admission {
            return wait(until, limit);
        }
        self.advance(now);
        match self.phase {
            Phase::Closed { probing: true, .. } => {
                return Err(Wait { until: None, cause: Some(WaitCause::Outage) });
            }
            Phase::Closed { probe, .. } if probe > now => return wait(probe, Some(WaitCause::Outage)),
            Phase::Closed { .. } => {}
            Phase::SlowStart { since, started, spread } => {
                // By time alone: clients that start together get equal shares of a limit, whichever is answered first.
                let next = spread.time_of(started).map_or(now, |after| since + after);
                if next > now {
                    return wait(next, None);
                }
            }
            Phase::Listening | Phase::Paced { .. } | Phase::Rising { .. } => {
                if self.next > now {
                    return wait(self.next, limit);
                }
            }
        }
        Ok(self.start(now, cost, admission))
    }

    fn start(&mut self, now: f64, cost: Cost, admission: Admission) -> Start {
        let long = self.pace > 0.0 || !self.windows.is_empty();
        let id = self.history.push(now, self.pace, long);
        self.windows.sent(now, cost, admission);
        match &mut self.phase {
            Phase::SlowStart { started, .. } => *started += 1,
            Phase::Closed { probing, .. } => *probing = true,
            // After a pause, at most one start is made up for.
            Phase::Listening | Phase::Paced { .. } | Phase::Rising { .. } => {
                self.next = self.next.max(now - 1.0 / self.pace) + 1.0 / self.pace;
            }
        }
        Start { id, sent: now, cost, admission }
    }

    /// Applies a limit announced in the headers of an answer to this attempt.
    pub(super) fn apply(&mut self, announced: &AnnouncedLimit, start: &Start, accepted: bool) {
        let history = &self.history;
        let known = || {
            let mut first = None;
            let uses = history.since(start.sent - announced.span as f64).map(|(id, attempt)| {
                first.get_or_insert(id);
                let refused = attempt.response == Response::Refused;
                (attempt.sent, if refused { Cost::default() } else { start.cost })
            });
            let uses = uses.collect();
            (first.unwrap_or(start.id), uses)
        };
        self.windows.apply(announced, start.sent, accepted, known);
    }

    /// Records an accepted attempt and its use. Its headers are applied before.
    pub(super) fn on_accepted(&mut self, now: f64, start: &Start, used: Cost) {
        self.history.set(start.id, Response::Accepted);
        self.windows.accepted(now, start.id, start.cost, used, start.admission);
        self.accepted += 1;
        match self.phase {
            Phase::Closed { since, .. } if start.sent >= since => self.reopen(now),
            Phase::Listening => self.judge(now),
            _ => {}
        }
    }

    /// Records a 429; returns how long the request waits before its retry, in seconds, and why.
    pub(super) fn on_refused(&mut self, now: f64, start: &Start, refusal: &Refusal<'_>) -> (f64, WaitCause) {
        let Refusal { retry_after, jitter, .. } = *refusal;
        self.history.refusal_took(now - start.sent);
        self.windows.refused(start.id, start.admission);
        let explained = self.windows.explain(refusal.announced, start.sent, start.cost);
        self.history.set(
            start.id,
            match refusal.is_capacity {
                true => Response::Overloaded,
                false if explained => Response::Failed,
                false => Response::Refused,
            },
        );
        match &mut self.phase {
            Phase::Closed { since, probing, probe, before } => {
                if start.sent >= *since {
                    // Whatever closed it, capacity is what keeps it closed.
                    before.is_capacity |= refusal.is_capacity;
                    *probing = false;
                    *probe = now + retry_after.unwrap_or(0.0).max(probe_distance(now - *since, jitter));
                }
            }
            _ if refusal.is_capacity => self.weigh_capacity(now, jitter),
            _ if explained => {}
            _ => self.weigh(now, start, jitter),
        }
        let cause = match self.phase {
            Phase::Closed { .. } => WaitCause::Outage,
            _ if refusal.is_capacity => WaitCause::Outage,
            Phase::SlowStart { .. } if !explained => WaitCause::Sporadic,
            _ => WaitCause::AccountLimit,
        };
        let doubled = f64::from(1_u32 << refusal.before.min(6));
        let wait = match (retry_after, self.phase) {
            (Some(wait), _) => wait * (1.0 + 0.1 * jitter),
            (None, Phase::SlowStart { .. }) => (0.25 * doubled).min(1.0) * (0.5 + 0.5 * jitter),
            (None, _) => (0.5 * doubled).min(4.0) * (0.5 + 0.5 * jitter),
        };
        (wait, cause)
    }

    /// Records a failed attempt that says nothing about limits: a cut connection, a server error, a dropped request.
    pub(super) fn on_failed(&mut self, now: f64, start: &Start, jitter: f64) {
        self.history.set(start.id, Response::Failed);
        self.windows.failed();
        if let Phase::Closed { since, probing, probe, .. } = &mut self.phase
            && start.sent >= *since
        {
            *probing = false;
            *probe = now + probe_distance(now - *since, jitter);
        }
    }

    /// Handles a capacity refusal, except while closed. It says nothing about the pace: it is an outage if
    /// nothing else is accepted, otherwise only the request itself waits.
    fn weigh_capacity(&mut self, now: f64, jitter: f64) {
        if self.history.refused_in_a_row(now, self.evidence) >= CAPACITY_ROW {
            self.close(now, jitter, true);
        }
    }

    /// Interprets a refusal, except while closed.
    fn weigh(&mut self, now: f64, start: &Start, jitter: f64) {
        let counts = self.history.counts(now, self.evidence, RECENT, f64::INFINITY);
        let listening = matches!(self.phase, Phase::Listening);
        let before = self.experiment.before;
        let share = match listening {
            true => self.baseline.max(f64::from(before.refused) / f64::from(before.sent.max(1))),
            false => self.baseline,
        };
        let slow_start = matches!(self.phase, Phase::SlowStart { .. });
        let row = if slow_start { 16.0 } else { evidence::improbable_row(share).max(6.0) };
        if f64::from(counts.row) >= row {
            return self.close(now, jitter, false);
        }
        match self.phase {
            Phase::SlowStart { .. } => {
                let sudden = counts.row >= 4 && counts.sent >= 12;
                if sudden && counts.row == counts.sent {
                    // Nothing is accepted, so there is no rate to slow down from.
                    self.close(now, jitter, false);
                } else if sudden && evidence::exceeds(counts, self.baseline, 0.1)
                    || counts.sent >= 24 && evidence::exceeds(counts, self.baseline, 0.2)
                {
                    self.listen(now, counts);
                }
            }
            Phase::Listening => {
                if start.sent < self.evidence {
                    // It was in flight when the controller slowed down, and counted as accepted.
                    self.measure();
                }
                self.judge(now);
            }
            Phase::Paced { .. } | Phase::Rising { .. } => {
                let above = matches!(self.phase, Phase::Rising { .. }) || self.pace > 0.995 * self.known_rate;
                if above && counts.refused >= 2 && evidence::exceeds(counts, self.baseline, 0.01) {
                    match self.slowing_is_useless(now) {
                        true => self.take_as_sporadic(now),
                        false => self.slow_down(now),
                    }
                }
            }
            Phase::Closed { .. } => {}
        }
    }
}
