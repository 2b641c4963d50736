//! The phases of the rate controller, and what each knows. Main type: [`Phase`], held by the controller.

/// Where the controller is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Phase {
    /// No pace; only the first starts are spread.
    SlowStart { since: f64, started: u32 },
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

/// The spread of the first starts.
pub(super) struct SlowStart {
    /// Starts that nothing holds up.
    free: u32,
    /// Starts after which nothing is held up any more.
    end: u32,
    /// The time in which their number doubles, in seconds.
    doubling: f64,
}

pub(super) const SLOW_START: SlowStart = SlowStart { free: 4, end: 64, doubling: 0.07 };

impl SlowStart {
    /// How long after the beginning the next start is due, when so many have started.
    pub(super) fn time_of(&self, started: u32) -> Option<f64> {
        let spread = (self.free..self.end).contains(&started);
        spread.then(|| self.doubling * (f64::from(started + 1) / f64::from(self.free)).log2())
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
        assert_eq!((SLOW_START.time_of(3), SLOW_START.time_of(64)), (None, None));
        let at = |started| SLOW_START.time_of(started).unwrap();
        assert!((at(7) - 0.07).abs() < 1e-9 && (at(63) - 0.28).abs() < 1e-9);
    }

    #[test]
    fn probes_come_at_growing_distances() {
        let distances = [0.0, 2.0, 20.0, 120.0, 9000.0].map(|closed| probe_distance(closed, 1.0));
        assert_eq!(distances, [0.5, 1.0, 4.0, 8.0, 30.0]);
        assert_eq!(probe_distance(20.0, 0.0), 3.2);
    }
}
