//! The transitions between the phases of the rate controller.
//!
//! ```text
//! slow start --refusals--> listening --nearly gone--> paced <--> rising
//!     ^                        |                         |
//!     '------- sporadic -------'<---- slowing useless ---'
//! any phase --nothing accepted--> closed --a probe accepted--> paced or rising
//! ```
//!
//! The transitions are methods of the [`Controller`], which calls them.

use super::{
    controller::{Controller, Experiment},
    evidence,
    history::Counts,
    phase::{Before, Phase, SlowStart, probe_distance},
};

/// The share of the accepted rate at which the controller listens.
const LISTENING: f64 = 0.7;

/// The start of the cubic, as a share of the rate known to be accepted, and its growth.
const CUBIC: (f64, f64) = (0.97, 0.0004);

/// The multiple of the known rate above which the pace doubles instead.
const RISING: f64 = 1.3;

/// The time in which a rising pace doubles, in seconds.
const DOUBLING: f64 = 0.4;

/// How often a rise is repeated that a lack of capacity interrupted; then it may be what exhausts the capacity.
const REPEATS: u32 = 4;

/// Starts per second above which a pace is meaningless.
const UNLIMITED: f64 = 5000.0;

/// The lowest pace: one start in five seconds.
const LOWEST: f64 = 0.2;

/// Seconds after which a sustained rate is not a burst let through by a window.
const HELD: f64 = 2.0;

/// A shorter closing does not count: what was accepted then is accepted now.
const HICCUP: f64 = 2.0;

impl Controller {
    /// Advances the state by time alone.
    pub(super) fn advance(&mut self, now: f64) {
        match self.phase {
            Phase::Listening => self.judge(now),
            Phase::Paced { since } => {
                // Below ten per second the cubic counts starts instead of seconds: few starts give little evidence.
                let time = (now - since) * (self.known_rate / 10.0).sqrt().min(1.0) / self.caution;
                let (share, growth) = CUBIC;
                let flat = ((1.0 - share) / growth).cbrt();
                self.pace = (self.known_rate * (1.0 + growth * (time - flat).powi(3))).max(LOWEST);
                if let Some(rate) = self.previous.due(self.known_rate, now - since, flat) {
                    self.rise(now, rate);
                } else if self.pace > RISING * self.known_rate {
                    self.rise(now, f64::INFINITY);
                }
                self.release_if_unlimited(now);
            }
            Phase::Rising { since, from, ceiling } => {
                self.pace = from * 2_f64.powf((now - since) / DOUBLING);
                if self.pace > ceiling {
                    self.interrupted = 0;
                    self.previous.reached(ceiling);
                    self.known_rate = ceiling;
                    self.settle(now);
                }
                self.release_if_unlimited(now);
            }
            Phase::SlowStart { .. } | Phase::Closed { .. } => {}
        }
    }

    fn release_if_unlimited(&mut self, now: f64) {
        if self.pace > UNLIMITED {
            self.release(now);
        }
    }

    fn begin_experiment(&mut self, now: f64, before: Counts) {
        let (rate, baseline) = (self.known_rate, self.baseline);
        self.experiment = Experiment { before, rate, baseline, since: now + 1.0 };
    }

    /// Slows down, to see whether that helps.
    pub(super) fn listen(&mut self, now: f64, before: Counts) {
        self.phase = Phase::Listening;
        self.evidence = now;
        self.begin_experiment(now, before);
        self.previous.fell_from(self.known_rate);
        self.measure();
        // By then, the first attempt of the last second has left a one-second window.
        self.next = self.history.first_after(now - 1.0).unwrap_or(now) + 1.02;
    }

    /// Takes the rate accepted in the second before the slowdown as the known rate.
    pub(super) fn measure(&mut self) {
        let accepted = self.history.accepted(self.evidence - 1.0, self.evidence);
        self.known_rate = (accepted as f64).max(1.0);
        self.experiment.rate = self.known_rate;
        self.pace = LISTENING * self.known_rate;
    }

    /// The attempts of this experiment, sent at this pace or below.
    fn tried(&self, now: f64, pace: f64) -> Counts {
        self.history.counts(now, self.experiment.since, 120, pace).without_row()
    }

    /// Decides what the refusals were, once there is enough evidence or forty answers have arrived.
    pub(super) fn judge(&mut self, now: f64) {
        let counts = self.tried(now, f64::INFINITY);
        if counts.sent < 8 {
            return;
        }
        let odds = evidence::log_odds(self.experiment.before, counts, self.experiment.baseline);
        if odds > -3.0 && counts.sent < 40 && (odds < 1.0 || counts.refused < 3) {
            return;
        }
        if odds > -1.0 {
            self.take_as_sporadic(now);
        } else {
            self.baseline = f64::from(counts.refused) / f64::from(counts.sent + 20);
            self.settle(now);
        }
    }

    /// Whether as much is refused as before, despite the lower pace.
    pub(super) fn slowing_is_useless(&self, now: f64) -> bool {
        let counts = self.tried(now, f64::INFINITY);
        let expected = f64::from(counts.sent) * (self.experiment.baseline + 0.1);
        self.caution == 1.0 && counts.sent >= 20 && f64::from(counts.refused) > expected
    }

    /// Refusals do not depend on the pace: their share becomes the baseline, and pacing ends.
    pub(super) fn take_as_sporadic(&mut self, now: f64) {
        let counts = self.tried(now, f64::INFINITY);
        let share = f64::from(counts.refused) / f64::from(counts.sent + 5);
        self.baseline = share.min(evidence::MOST_BASELINE);
        self.release(now);
    }

    fn release(&mut self, now: f64) {
        self.phase = Phase::SlowStart { since: now, started: 0, spread: SlowStart::AGAIN };
        self.released = now;
        self.pace = 0.0;
        self.evidence = now;
        self.caution = 1.0;
    }

    fn settle(&mut self, now: f64) {
        self.phase = Phase::Paced { since: now };
        self.evidence = now;
        self.pace = CUBIC.0 * self.known_rate;
    }

    fn rise(&mut self, now: f64, ceiling: f64) {
        self.phase = Phase::Rising { since: now, from: self.pace, ceiling };
    }

    /// The pace exceeds what is accepted: returns to just below the pace at which refusals began.
    pub(super) fn slow_down(&mut self, now: f64) {
        let below = self.tried(now, 0.85 * self.experiment.rate);
        if below.sent >= 10 {
            self.baseline = f64::from(below.refused) / f64::from(below.sent + 20);
        }
        let lately = self.rate(now);
        if matches!(self.phase, Phase::Rising { .. }) {
            self.interrupted = 0;
            self.previous.failed();
            self.known_rate = self.known_rate.max(lately);
            self.begin_experiment(now, Counts::default());
        } else {
            if matches!(self.phase, Phase::Paced { since } if now - since > HELD) {
                self.previous.fell_from(self.known_rate);
            }
            let first = self.history.first_refused_pace(self.evidence).unwrap_or(self.pace);
            let known = self.known_rate;
            let below = if first > 0.995 * known { 0.99 * first } else { 0.9 * known };
            self.known_rate = (lately / (1.0 - self.baseline)).max(below);
        }
        self.settle(now);
    }

    /// The accepted rate per second, over about the last twenty starts.
    fn rate(&self, now: f64) -> f64 {
        let span = if self.pace > 0.0 { (20.0 / self.pace).clamp(1.0, 60.0) } else { 1.0 };
        (self.history.accepted(now - span, now) as f64).max(1.0) / span
    }

    /// Nothing is accepted any more; `is_capacity` is whether the service itself lacks capacity.
    pub(super) fn close(&mut self, now: f64, jitter: f64, is_capacity: bool) {
        let lately = self.rate(now);
        let is_paced = !matches!(self.phase, Phase::SlowStart { .. });
        let rate = match self.phase {
            // So soon after a slow start the rate is unknown.
            Phase::SlowStart { since, .. } if now - since < 1.0 => f64::INFINITY,
            // Perhaps the rise is not at fault: it is repeated.
            Phase::Rising { ceiling, .. } if is_capacity && self.interrupted < REPEATS => {
                self.interrupted += 1;
                ceiling
            }
            Phase::Listening if self.evidence - self.released < 1.0 => f64::INFINITY,
            _ => lately.max(self.known_rate),
        };
        if !(is_capacity && is_paced) {
            self.known_rate = lately;
        }
        let before = Before { rate, is_paced, is_capacity };
        let probe = now + probe_distance(0.0, jitter);
        self.phase = Phase::Closed { since: now, probing: false, probe, before };
    }

    /// A probe was accepted.
    ///
    /// After a short closing the pace is the rate accepted before. A long closing was an outage, and the pace
    /// rises to the previous rate; or a long window caused it, if it has happened before at the same mean rate:
    /// then the pace stays close to that mean.
    pub(super) fn reopen(&mut self, now: f64) {
        let Phase::Closed { since, before, .. } = self.phase else { return };
        self.next = now;
        let is_short = now - since < HICCUP;
        if self.accepted == 1 || is_short && before.is_capacity && !before.is_paced {
            // Nothing was accepted before, or nothing has changed: start over.
            self.begin_experiment(now, Counts::default());
            return self.release(now);
        }
        if is_short {
            if since - self.released > HELD {
                self.previous.fell_from(before.rate);
            }
            self.settle(now);
            if before.is_capacity && before.rate > RISING * self.known_rate {
                self.rise(now, before.rate);
            }
            return self.begin_experiment(now, Counts::default());
        }
        let mut alike = false;
        if !before.is_capacity {
            alike = self.has_closed_before(now, since);
        }
        self.begin_experiment(now, Counts::default());
        self.caution = if alike { 2.7 } else { 1.0 };
        self.settle(now);
        if !alike {
            if before.rate.is_finite() {
                let gentle = before.rate / 4.0;
                self.pace = if before.is_capacity { gentle } else { gentle.max(self.pace) };
            }
            self.rise(now, before.rate);
        }
    }

    /// Takes the mean since the last closing as the known rate; returns whether it is unchanged.
    fn has_closed_before(&mut self, now: f64, since: f64) -> bool {
        while self.marks.get(1).is_some_and(|(at, _)| *at < now - 60.0) {
            self.marks.remove(0);
        }
        let (from, accepted) = self.marks.first().copied().unwrap_or((since, self.accepted));
        let mean = ((self.accepted - accepted) as f64 / (now - from)).max(LOWEST);
        self.marks.push((now, self.accepted));
        let alike = self.mean_rate.is_some_and(|known| (0.7..1.4).contains(&(mean / known)));
        (self.mean_rate, self.known_rate) = (Some(mean), mean);
        alike
    }
}
