//! The rate of a rising count, from the times of its events.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// The window of the rate: long enough not to flicker, short enough to forget the burst of cache
/// hits at the start of a second run.
const WINDOW: SignedDuration = SignedDuration::from_secs(10);
/// A window with fewer records than this is widened: at 12 per minute, ten seconds hold one or
/// two, and the rate would jump between 6 and 12.
const ENOUGH: u64 = 5;
/// The widest window.
const LONGEST: SignedDuration = SignedDuration::from_secs(60);
/// Samples are at least this far apart, which bounds the queue: 60 s / 250 ms + 2 = 242.
const GRAIN: SignedDuration = SignedDuration::from_millis(250);
/// The shortest time for a rate, in seconds.
const SHORTEST: f64 = 0.5;

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Timestamp,
    count: u64,
}

/// Samples of one rising count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rate {
    samples: VecDeque<Sample>,
}

impl Rate {
    /// Discards all samples and starts at `count`.
    pub(crate) fn restart(&mut self, at: Timestamp, count: u64) {
        self.samples.clear();
        self.samples.push_back(Sample { at, count });
    }

    /// Adds a sample. A time before the last one counts as equal to it.
    pub(crate) fn push(&mut self, at: Timestamp, count: u64) {
        let at = self.samples.back().map_or(at, |last| last.at.max(at));
        let mut latest = self.samples.iter().rev();
        if let (Some(last), Some(before)) = (latest.next(), latest.next())
            && last.at.duration_since(before.at) < GRAIN
        {
            self.samples.pop_back();
        }
        self.samples.push_back(Sample { at, count });
        while self.samples.get(1).is_some_and(|second| at.duration_since(second.at) >= LONGEST) {
            self.samples.pop_front();
        }
    }

    /// Records per second; `None` while there are too few samples.
    pub(crate) fn per_second(&self) -> Option<f64> {
        let last = self.samples.back()?;
        let telling = |s: &&Sample| {
            last.at.duration_since(s.at) >= WINDOW && last.count.saturating_sub(s.count) >= ENOUGH
        };
        let base = self.samples.iter().rev().find(telling).or(self.samples.front())?;
        let seconds = last.at.duration_since(base.at).as_secs_f64();
        (seconds >= SHORTEST).then(|| last.count.saturating_sub(base.count) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap()
    }

    fn metered(samples: impl IntoIterator<Item = (i64, u64)>) -> Rate {
        let mut rate = Rate::default();
        for (ms, count) in samples {
            rate.push(at(ms), count);
        }
        rate
    }

    #[test]
    fn a_burst_at_the_start_is_forgotten_after_ten_seconds() {
        let burst_then_two_a_second = (0..=24).map(|i| (i * 500, if i == 0 { 0 } else { 40 + i as u64 }));
        assert_eq!(metered(burst_then_two_a_second).per_second(), Some(2.0));
    }

    #[test]
    fn a_slow_count_is_looked_at_for_longer() {
        let one_each_five_seconds = (0..=120).map(|i| (i * 500, i as u64 / 10));
        let rate = metered(one_each_five_seconds).per_second().unwrap();
        assert!((0.18..0.25).contains(&rate), "{rate}");
    }

    #[test]
    fn a_standstill_is_seen() {
        let then_nothing = [(0, 0), (5_000, 50)].into_iter().chain((6..=80).map(|s| (s * 1000, 50)));
        assert_eq!(metered(then_nothing).per_second(), Some(0.0));
    }

    #[test]
    fn too_little_gives_no_rate() {
        assert_eq!(metered([]).per_second(), None);
        assert_eq!(metered([(0, 0), (100, 9)]).per_second(), None);
        assert_eq!(metered([(5000, 0), (0, 9)]).per_second(), None, "a clock that was set back");
    }

    #[test]
    fn the_queue_is_bounded() {
        let rate = metered((0..200_000).map(|ms| (ms, ms as u64)));
        assert!(rate.samples.len() <= 242, "{}", rate.samples.len());
        assert!((rate.per_second().unwrap() - 1000.0).abs() < 1.0);
    }
}
