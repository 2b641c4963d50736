//! How many requests to have under way: more as long as it helps, fewer as soon as it hurts.
//!
//! Additive increase, multiplicative decrease, decided once a round (as many answers as there are
//! slots). Pure: no clock, no dice. Latency is compared with the best that was seen; now and then a round
//! with half the slots finds out anew what the best is, so that a queue of one's own making is not taken
//! for the server's nature, and a server that has become slower for good is taken as it is.

use std::time::Duration;

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// An answer came, after so long, with so many under way.
    Answered {
        /// From sending to the last byte.
        latency: Duration,
        /// Attempts under way when it came, itself among them.
        in_flight: usize,
    },
    /// A limit was met (429).
    Limited,
}

/// Latency above this multiple of the best is a sign of a queue at the server.
const TOLERANCE: f64 = 2.0;

/// What is left after a decrease, at most and at least.
const DECREASE: (f64, f64) = (0.8, 0.5);

/// Rounds between two with half the slots.
const PROBE: u32 = 60;

/// Rounds without a 429 after which more is tried than where one was met; twice as many each time that
/// it is met there again, up to a bound.
const CALM: (u32, u32) = (50, 1600);

/// The fewest answers that make a round: at the start, when being quick counts, and later, when a mean
/// of a few would be led astray by one long answer.
const ROUND: (usize, usize) = (4, 8);

/// Finds the number in flight that gives the most.
#[derive(Debug, Clone)]
pub struct Aimd {
    least: usize,
    most: usize,
    limit: usize,
    /// Doubles each round until the first trouble.
    is_starting: bool,
    /// Where a 429 was met, and the rounds since then.
    ceiling: Option<usize>,
    calm: u32,
    calm_wanted: u32,
    best: Option<f64>,
    /// Rounds since the last one with half the slots, and what to return to while there is one.
    since_probe: u32,
    probing: Option<usize>,
    answers: usize,
    latency: f64,
    peak: usize,
    /// Samples of attempts that began before the last decrease say nothing about it.
    stale: usize,
}

impl Aimd {
    /// A controller that stays between two numbers and begins with the lower one.
    pub fn new(least: usize, most: usize) -> Self {
        let least = least.max(1);
        Self {
            least,
            most: most.max(least),
            limit: least,
            is_starting: true,
            ceiling: None,
            calm: 0,
            calm_wanted: CALM.0,
            best: None,
            since_probe: 0,
            probing: None,
            answers: 0,
            latency: 0.0,
            peak: 0,
            stale: 0,
        }
    }

    /// The number that may be under way now.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Takes in what became of an attempt, and gives the number that may be under way.
    pub fn take(&mut self, sample: Sample) -> usize {
        if self.stale > 0 {
            self.stale -= 1;
            return self.limit;
        }
        match sample {
            Sample::Limited => {
                let met = self.limit.saturating_sub(1).max(self.least);
                self.calm_wanted = match self.ceiling {
                    Some(known) if met <= known => (self.calm_wanted * 2).min(CALM.1),
                    _ => CALM.0,
                };
                (self.ceiling, self.calm) = (Some(met), 0);
                self.decrease(DECREASE.0);
            }
            Sample::Answered { latency, in_flight } => {
                self.answers += 1;
                self.latency += latency.as_secs_f64();
                self.peak = self.peak.max(in_flight);
                let least = if self.is_starting { ROUND.0 } else { ROUND.1 };
                let round = self.limit.max(least);
                // What is far too slow is known before the last answer is there.
                let slow = self.best.is_some_and(|best| self.latency > best * TOLERANCE * round as f64);
                if self.answers >= round || (slow && self.answers >= least && self.probing.is_none()) {
                    self.end_round();
                }
            }
        }
        self.limit
    }

    fn end_round(&mut self) {
        let mean = self.latency / self.answers as f64;
        let used = self.peak >= self.limit;
        self.begin_round();
        self.calm += 1;
        if let Some(limit) = self.probing.take() {
            match self.best {
                // Slow with half the slots, too: that is no new best, it is time to come down.
                Some(best) if mean > best * TOLERANCE => self.decrease(best * TOLERANCE / mean),
                _ => (self.best, self.limit) = (Some(mean), limit),
            }
            return;
        }
        // With the lowest number there is no queue of one's own: that is how the server is now.
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
            let ceiling = self.ceiling.filter(|_| self.calm < self.calm_wanted).unwrap_or(self.most);
            self.limit = more.min(ceiling).min(self.most).max(self.limit);
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

    /// A server that answers `capacity` requests at once in `latency`, and the others in their turn;
    /// what is in flight above `refuses` is refused, and a refusal costs everybody a second.
    struct Model {
        capacity: f64,
        latency: f64,
        refuses: usize,
    }

    impl Model {
        /// Answers a second over so many seconds with a way to find the number in flight.
        fn run(&self, seconds: f64, mut take: impl FnMut(Sample) -> usize, first: usize) -> (f64, usize) {
            let (mut now, mut answers, mut limit) = (0.0, 0.0, first);
            while now < seconds {
                let in_flight = limit;
                let refused = in_flight.saturating_sub(self.refuses);
                for _ in 0..refused {
                    limit = take(Sample::Limited);
                }
                if refused > 0 {
                    now += 1.0;
                }
                let latency = self.latency * (in_flight as f64 / self.capacity).max(1.0);
                now += latency;
                for _ in refused..in_flight {
                    limit = take(Sample::Answered { latency: Duration::from_secs_f64(latency), in_flight });
                    answers += 1.0;
                }
            }
            (answers / now, limit)
        }

        fn share_of_best(&self, seconds: f64) -> f64 {
            let best = (1..=64).map(|fixed| self.run(seconds, |_| fixed, fixed).0).fold(0.0, f64::max);
            let mut auto = Aimd::new(1, 64);
            self.run(seconds, |sample| auto.take(sample), 1).0 / best
        }
    }

    #[test]
    fn it_comes_near_the_best_that_it_does_not_know() {
        for capacity in [1.0, 3.0, 10.0, 40.0] {
            for latency in [0.1, 1.0] {
                let queues = Model { capacity, latency, refuses: 1000 };
                let share = queues.share_of_best(120.0);
                assert!(share > 0.9, "a queue at {capacity}, {latency}s: {share}");
                let refuses = Model { capacity: 1000.0, latency, refuses: capacity as usize };
                let share = refuses.share_of_best(300.0);
                assert!(share > 0.9, "429 above {capacity}, {latency}s: {share}");
            }
        }
    }

    #[test]
    fn it_comes_down_when_the_server_slows_and_up_again_when_it_is_quick() {
        let mut auto = Aimd::new(1, 64);
        let quick = Model { capacity: 20.0, latency: 0.5, refuses: 1000 };
        let (_, before) = quick.run(60.0, |sample| auto.take(sample), 1);
        assert!((20..=44).contains(&before), "{before}");
        let slow = Model { capacity: 4.0, ..quick };
        let (_, during) = slow.run(40.0, |sample| auto.take(sample), before);
        assert!(during <= 16, "{during}");
        let (_, after) = quick.run(60.0, |sample| auto.take(sample), during);
        assert!(after >= 20, "{after}");
    }

    #[test]
    fn it_comes_down_whatever_it_is_about_when_the_server_slows() {
        let quick = Model { capacity: 20.0, latency: 0.5, refuses: 1000 };
        let slow = Model { capacity: 5.0, ..quick };
        for moment in 0..120 {
            let mut auto = Aimd::new(1, 64);
            let (_, before) = quick.run(20.0 + f64::from(moment) * 0.5, |sample| auto.take(sample), 1);
            let (_, after) = slow.run(15.0, |sample| auto.take(sample), before);
            assert!(after <= 12, "{after} after {before}, {moment} half seconds on");
        }
    }

    #[test]
    fn a_server_that_is_slower_for_good_is_taken_as_it_is() {
        let mut auto = Aimd::new(1, 64);
        let quick = Model { capacity: 20.0, latency: 0.1, refuses: 1000 };
        let (_, before) = quick.run(60.0, |sample| auto.take(sample), 1);
        let slow = Model { latency: 1.0, ..quick };
        let (_, after) = slow.run(240.0, |sample| auto.take(sample), before);
        assert!((16..=44).contains(&after), "{after}");
    }

    #[test]
    fn it_stays_within_its_bounds_and_does_not_grow_what_is_not_used() {
        let mut auto = Aimd::new(2, 8);
        for _ in 0..1000 {
            auto.take(Sample::Answered { latency: Duration::from_secs(1), in_flight: auto.limit() });
        }
        assert_eq!(auto.limit(), 8);
        for _ in 0..1000 {
            auto.take(Sample::Limited);
        }
        assert_eq!(auto.limit(), 2);
        for _ in 0..1000 {
            auto.take(Sample::Answered { latency: Duration::from_secs(1), in_flight: 1 });
        }
        assert_eq!(auto.limit(), 2);
    }

    #[test]
    fn one_burst_of_429_is_one_decrease() {
        let mut auto = Aimd::new(10, 100);
        for _ in 0..10 {
            auto.take(Sample::Answered { latency: Duration::from_secs(1), in_flight: 10 });
        }
        assert_eq!(auto.limit(), 20);
        for _ in 0..20 {
            auto.take(Sample::Limited);
        }
        assert_eq!(auto.limit(), 16);
    }
}
