//! The phases of the rate controller and their data. Main type: [`Phase`], held by the controller.

/// The current phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Phase {
    /// No pacing; only the first starts are spread out.
    SlowStart { since: f64, started: u32, spread: SlowStart },
    /// Well below the accepted rate, to see whether that helps.
    Listening,
    /// Starts are evenly spaced; the pace follows a cubic around the rate known to be accepted.
    Paced { since: f64 },
    /// The pace doubles: nothing is refused far above that rate, or an outage is over.
    Rising { since: f64, from: f64, ceiling: f64 },
    /// Nothing is accepted: one probe at a time, at growing intervals.
    Closed { since: f64, probing: bool, probe: f64, before: Before },
}

/// The state before a closing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Before {
    /// The accepted rate; infinite if unknown.
    pub(super) rate: f64,
    /// Whether starts were paced.
    pub(super) is_paced: bool,
    /// Whether the service itself lacked capacity: then the previous rate still holds.
    pub(super) is_capacity: bool,
}

/// How the first starts are spread out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SlowStart {
    /// The time in which starts double until [`SLOW`], in seconds; then it is [`FAST`].
    doubling: f64,
}

/// Starts without any delay.
const FREE: u32 = 4;

/// The number of starts from which they double faster.
const SLOW: u32 = 24;

/// The number of starts from which there is no delay.
const END: u32 = 64;

/// The time in which starts double between the two, in seconds.
const FAST: f64 = 0.07;

impl SlowStart {
    /// Slow: clients that start a tenth of a second apart get nearly equal shares of a limit.
    pub(super) const FIRST: Self = Self { doubling: 0.12 };
    /// Later: the limit shared with others is known, or there is none.
    pub(super) const AGAIN: Self = Self { doubling: FAST };

    /// When the next start is due, in seconds since the beginning; `None` if nothing delays it.
    pub(super) fn time_of(self, started: u32) -> Option<f64> {
        let doublings = |from: u32, to: u32| (f64::from(to) / f64::from(from)).log2();
        let next = started + 1;
        (FREE..END)
            .contains(&started)
            .then(|| self.doubling * doublings(FREE, next.min(SLOW)) + FAST * doublings(SLOW, next.max(SLOW)))
    }
}

/// The time between two probes, in seconds: half the time since the closing, between 0.5 and 30.
pub(super) fn probe_distance(closed: f64, jitter: f64) -> f64 {
    (closed / 2.0).min((closed / 15.0).max(4.0)).clamp(0.5, 30.0) * (0.8 + 0.2 * jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_starts_are_spread_by_time() {
        let at = |started| SlowStart::FIRST.time_of(started);
        assert_eq!((at(3), at(64)), (None, None));
        let near =
            |spread: SlowStart, started, time: f64| (spread.time_of(started).unwrap() - time).abs() < 1e-3;
        assert!(near(SlowStart::FIRST, 7, 0.12) && near(SlowStart::FIRST, 63, 0.409));
        assert!(near(SlowStart::AGAIN, 7, 0.07) && near(SlowStart::AGAIN, 63, 0.28));
    }

    #[test]
    fn probes_come_at_growing_distances() {
        let distances = [0.0, 2.0, 20.0, 120.0, 9000.0].map(|closed| probe_distance(closed, 1.0));
        assert_eq!(distances, [0.5, 1.0, 4.0, 8.0, 30.0]);
        assert_eq!(probe_distance(20.0, 0.0), 3.2);
    }
}
