//! The phases of the rate controller, and what each knows. Main type: [`Phase`], held by the controller.

/// Where the controller is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Phase {
    /// No pace; only the first starts are spread.
    SlowStart { since: f64, started: u32, spread: SlowStart },
    /// Well below the rate that was accepted, to see whether that helps.
    Listening,
    /// Starts are spread evenly; the pace follows a cubic around the rate known to be accepted.
    Paced { since: f64 },
    /// The pace doubles: far above that rate nothing is refused, or an outage is over.
    Rising { since: f64, from: f64, ceiling: f64 },
    /// Nothing is accepted: one probe at a time, at growing distances.
    Closed { since: f64, probing: bool, probe: f64, before: Before },
}

/// What a closing came upon.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Before {
    /// The rate that was accepted; infinite if nothing is known of it.
    pub(super) rate: f64,
    /// Whether there was a pace.
    pub(super) is_paced: bool,
    /// Whether the service itself had no room: then the rate from before still holds.
    pub(super) is_capacity: bool,
}

/// The spread of the first starts after a beginning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SlowStart {
    /// The time in which the number of starts doubles, in seconds, until there are [`SLOW`]; then it is [`FAST`].
    doubling: f64,
}

/// Starts that nothing holds up.
const FREE: u32 = 4;

/// Starts after which their number doubles faster.
const SLOW: u32 = 24;

/// Starts after which nothing is held up any more.
const END: u32 = 64;

/// The time in which their number doubles between the two, in seconds.
const FAST: f64 = 0.07;

impl SlowStart {
    /// Slow: clients that begin a tenth of a second apart take nearly equal parts of a limit.
    pub(super) const FIRST: Self = Self { doubling: 0.12 };
    /// Later ones: what limit others share is known, or there is none.
    pub(super) const AGAIN: Self = Self { doubling: FAST };

    /// How long after the beginning the next start is due, when so many have started.
    pub(super) fn time_of(self, started: u32) -> Option<f64> {
        let doublings = |from: u32, to: u32| (f64::from(to) / f64::from(from)).log2();
        let next = started + 1;
        (FREE..END)
            .contains(&started)
            .then(|| self.doubling * doublings(FREE, next.min(SLOW)) + FAST * doublings(SLOW, next.max(SLOW)))
    }
}

/// How long after one probe the next one is sent, in seconds: half the time since the closing, between half
/// a second and thirty.
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
