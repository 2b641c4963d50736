//! The number of requests in flight: raised while that helps, lowered as soon as it hurts.
//!
//! Additive increase, multiplicative decrease, decided once per round (as many answers as there are slots). Pure:
//! no clock, no jitter. It decides by latency; refusals count only if several in a row show that too many are in
//! flight, because starts per second are up to the rate controller. Latency is compared with the best seen; an
//! occasional round with half the slots measures the best again, so that a self-made queue is not mistaken for
//! the server's latency, and a permanently slower server is accepted as such.

use std::time::Duration;

/// Latency above this multiple of the best indicates a queue at the server.
const TOLERANCE: f64 = 2.0;

/// The factor of a decrease, at most and at least.
const DECREASE: (f64, f64) = (0.8, 0.5);

/// Rounds between two rounds with half the slots.
const PROBE: u32 = 60;

/// This many refusals, nearly in a row, cause a decrease.
const SUDDEN: f64 = 3.0;

/// The fewest answers in a round: at the start, when speed matters, and later, when one long answer would distort
/// the mean of a few.
const ROUND: (usize, usize) = (4, 8);

/// Finds the number in flight with the highest throughput.
#[derive(Debug, Clone)]
pub struct AdaptiveLimit {
    least: usize,
    most: usize,
    limit: usize,
    /// Doubles each round until the first decrease.
    is_starting: bool,
    best: Option<f64>,
    /// Rounds since the last one with half the slots, and the limit to return to during one.
    since_probe: u32,
    probing: Option<usize>,
    answers: usize,
    latency: f64,
    peak: usize,
    /// Recent refusals, less half the answers since.
    refusals: f64,
    /// Samples to ignore: these attempts began before the last change and say nothing about it.
    stale: usize,
}

impl AdaptiveLimit {
    /// A controller that stays within bounds and starts at the lower one.
    pub fn new(least: usize, most: usize) -> Self {
        let least = least.max(1);
        Self {
            least,
            most: most.max(least),
            limit: least,
            is_starting: true,
            best: None,
            since_probe: 0,
            probing: None,
            answers: 0,
            latency: 0.0,
            peak: 0,
            refusals: 0.0,
            stale: 0,
        }
    }

    /// The number of attempts that may be in flight now.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Records an answer, its latency and the attempts then in flight, including its own; returns the new limit.
    pub fn answered(&mut self, latency: Duration, in_flight: usize) -> usize {
        self.refusals = (self.refusals - 0.5).max(0.0);
        if self.stale > 0 {
            self.stale -= 1;
            return self.limit;
        }
        self.answers += 1;
        self.latency += latency.as_secs_f64();
        self.peak = self.peak.max(in_flight);
        let least = if self.is_starting { ROUND.0 } else { ROUND.1 };
        let round = self.limit.max(least);
        // Excessive latency is known before the round's last answer.
        let slow = self.best.is_some_and(|best| self.latency > best * TOLERANCE * round as f64);
        if self.answers >= round || (slow && self.answers >= least && self.probing.is_none()) {
            self.end_round();
        }
        self.limit
    }

    /// Records a 429; returns the new limit. A few in a row mean too many at once, single ones do not, and
    /// frequent ones are up to the rate controller.
    pub fn refused(&mut self) -> usize {
        self.refusals += 1.0;
        if self.refusals >= SUDDEN && self.stale == 0 {
            self.refusals = 0.0;
            self.decrease(DECREASE.0);
        }
        self.limit
    }

    fn end_round(&mut self) {
        let mean = self.latency / self.answers as f64;
        let used = self.peak >= self.limit;
        self.begin_round();
        if let Some(limit) = self.probing.take() {
            match self.best {
                // Slow even with half the slots: decrease instead of accepting a new best.
                Some(best) if mean > best * TOLERANCE => self.decrease(best * TOLERANCE / mean),
                _ => (self.best, self.limit) = (Some(mean), limit),
            }
            return;
        }
        // At the lower bound there is no self-made queue: this is the server's latency now.
        let known = self.best.filter(|_| self.limit > self.least);
        let best = known.map_or(mean, |best| best.min(mean));
        self.best = Some(best);
        self.since_probe += 1;
        if mean > best * TOLERANCE {
            self.decrease(best * TOLERANCE / mean);
        } else if self.since_probe >= PROBE && self.limit >= 2 * self.least {
            self.since_probe = 0;
            self.probing = Some(self.limit);
            self.stale = self.limit - 1;
            self.limit /= 2;
        } else if used {
            let more = if self.is_starting { self.limit * 2 } else { self.limit + 1 };
            self.limit = more.min(self.most);
        }
    }

    fn begin_round(&mut self) {
        (self.answers, self.latency, self.peak) = (0, 0.0, 0);
    }

    fn decrease(&mut self, share: f64) {
        let limit = self.probing.take().unwrap_or(self.limit);
        self.is_starting = false;
        self.stale = self.limit.saturating_sub(1);
        self.limit = ((limit as f64 * share.clamp(DECREASE.1, DECREASE.0)) as usize).max(self.least);
        self.begin_round();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers `capacity` requests at once in `latency`, and queues the others.
    struct Model {
        capacity: f64,
        latency: f64,
    }

    impl Model {
        /// The answers per second over `seconds` with a method of choosing the number in flight.
        fn run(
            &self,
            seconds: f64,
            mut answered: impl FnMut(Duration, usize) -> usize,
            first: usize,
        ) -> (f64, usize) {
            let (mut now, mut answers, mut limit) = (0.0, 0.0, first);
            while now < seconds {
                let in_flight = limit;
                let latency = self.latency * (in_flight as f64 / self.capacity).max(1.0);
                now += latency;
                for _ in 0..in_flight {
                    limit = answered(Duration::from_secs_f64(latency), in_flight);
                    answers += 1.0;
                }
            }
            (answers / now, limit)
        }

        fn share_of_best(&self, seconds: f64) -> f64 {
            let best = (1..=64).map(|fixed| self.run(seconds, |_, _| fixed, fixed).0).fold(0.0, f64::max);
            let mut auto = AdaptiveLimit::new(1, 64);
            self.run(seconds, |latency, in_flight| auto.answered(latency, in_flight), 1).0 / best
        }
    }

    #[test]
    fn it_comes_near_the_best_that_it_does_not_know() {
        for capacity in [1.0, 3.0, 10.0, 40.0] {
            for latency in [0.1, 1.0] {
                let share = Model { capacity, latency }.share_of_best(120.0);
                assert!(share > 0.9, "a queue at {capacity}, {latency}s: {share}");
            }
        }
    }

    #[test]
    fn it_comes_down_when_the_server_slows_and_up_again_when_it_is_quick() {
        let mut auto = AdaptiveLimit::new(1, 64);
        let quick = Model { capacity: 20.0, latency: 0.5 };
        let (_, before) = quick.run(60.0, |latency, in_flight| auto.answered(latency, in_flight), 1);
        assert!((20..=44).contains(&before), "{before}");
        let slow = Model { capacity: 4.0, ..quick };
        let (_, during) = slow.run(40.0, |latency, in_flight| auto.answered(latency, in_flight), before);
        assert!(during <= 16, "{during}");
        let (_, after) = quick.run(60.0, |latency, in_flight| auto.answered(latency, in_flight), during);
        assert!(after >= 20, "{after}");
    }

    #[test]
    fn it_comes_down_whatever_it_is_about_when_the_server_slows() {
        let quick = Model { capacity: 20.0, latency: 0.5 };
        let slow = Model { capacity: 5.0, ..quick };
        for moment in 0..120 {
            let mut auto = AdaptiveLimit::new(1, 64);
            let (_, before) = quick.run(
                20.0 + f64::from(moment) * 0.5,
                |latency, in_flight| auto.answered(latency, in_flight),
                1,
            );
            let (_, after) = slow.run(15.0, |latency, in_flight| auto.answered(latency, in_flight), before);
            assert!(after <= 12, "{after} after {before}, {moment} half seconds on");
        }
    }

    #[test]
    fn a_server_that_is_slower_for_good_is_taken_as_it_is() {
        let mut auto = AdaptiveLimit::new(1, 64);
        let quick = Model { capacity: 20.0, latency: 0.1 };
        let (_, before) = quick.run(60.0, |latency, in_flight| auto.answered(latency, in_flight), 1);
        let slow = Model { latency: 1.0, ..quick };
        let (_, after) = slow.run(240.0, |latency, in_flight| auto.answered(latency, in_flight), before);
        assert!((16..=44).contains(&after), "{after}");
    }

    #[test]
    fn it_stays_within_its_bounds_and_does_not_grow_what_is_not_used() {
        let mut auto = AdaptiveLimit::new(2, 8);
        for _ in 0..1000 {
            let limit = auto.limit();
            auto.answered(Duration::from_secs(1), limit);
        }
        assert_eq!(auto.limit(), 8);
        for _ in 0..1000 {
            let limit = auto.limit();
            auto.answered(Duration::from_secs(9), limit);
        }
        assert_eq!(auto.limit(), 8, "slower for good");
        let slower = (1..100).map(|second| {
            let limit = auto.limit();
            auto.answered(Duration::from_secs(1 << (second / 4)), limit)
        });
        assert_eq!(slower.min(), Some(2), "slower and slower");
        let mut auto = AdaptiveLimit::new(2, 8);
        for _ in 0..1000 {
            auto.answered(Duration::from_secs(1), 1);
        }
        assert_eq!(auto.limit(), 2);
    }

    #[test]
    fn a_row_of_refusals_is_one_decrease_and_single_ones_are_none() {
        let mut auto = AdaptiveLimit::new(10, 100);
        for _ in 0..10 {
            auto.answered(Duration::from_secs(1), 10);
        }
        assert_eq!(auto.limit(), 20);
        for _ in 0..100 {
            auto.refused();
            let in_flight = auto.limit() - 1;
            auto.answered(Duration::from_secs(1), in_flight);
            auto.answered(Duration::from_secs(1), in_flight);
        }
        assert_eq!(auto.limit(), 20, "a third is refused");
        for _ in 0..12 {
            auto.refused();
        }
        assert_eq!(auto.limit(), 16);
    }
}
