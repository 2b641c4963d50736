//! The rate from before the pace fell: an outage that refuses most but not all requests looks like a limit, and
//! after it the pace must not creep up from the low rate accepted meanwhile.
//!
//! Main type: [`PreviousRate`], held by the [`Controller`](super::controller::Controller). A rise to the previous rate
//! may fail, so the intervals between attempts double.

/// The multiple of the known rate from which the previous one is tried, because the pace has collapsed.
const COLLAPSE: f64 = 2.5;

/// Failed attempts before it is forgotten.
const TRIES: u32 = 5;

/// A previous rate, or 0.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PreviousRate {
    rate: f64,
    tries: u32,
}

impl PreviousRate {
    /// Records that the pace falls from this rate.
    pub(super) fn fell_from(&mut self, rate: f64) {
        if rate.is_finite() {
            self.rate = self.rate.max(rate);
        }
    }

    /// The rate to rise to, if it is far above the known rate and nothing has slowed the pace down for long
    /// enough: `first` seconds, doubled with each failed attempt.
    pub(super) fn due(&self, known: f64, quiet: f64, first: f64) -> Option<f64> {
        let distance = first * f64::from(1_u32 << self.tries);
        (self.rate > COLLAPSE * known && quiet > distance).then_some(self.rate)
    }

    /// Records that refusals increased during the rise.
    pub(super) fn failed(&mut self) {
        self.tries += 1;
        if self.tries >= TRIES {
            self.forget();
        }
    }

    /// Records a rate that was reached without refusals.
    pub(super) fn reached(&mut self, rate: f64) {
        if rate >= self.rate {
            self.forget();
        }
    }

    /// Discards the previous rate.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_far_above_the_known_one_is_tried_at_doubled_distances_and_forgotten() {
        let mut previous = PreviousRate::default();
        assert_eq!(previous.due(1.0, 1e9, 4.0), None);
        previous.fell_from(20.0);
        previous.fell_from(10.0);
        assert_eq!((previous.due(9.0, 99.0, 4.0), previous.due(2.0, 3.0, 4.0)), (None, None));
        for failures in 0..5 {
            let distance = 4.0 * f64::from(1 << failures);
            assert_eq!(previous.due(2.0, distance, 4.0), None);
            assert_eq!(previous.due(2.0, distance + 0.1, 4.0), Some(20.0));
            previous.failed();
        }
        assert_eq!(previous.due(2.0, 1e9, 4.0), None);
        previous.fell_from(20.0);
        previous.reached(10.0);
        assert_eq!(previous.due(2.0, 1e9, 4.0), Some(20.0));
        previous.reached(20.0);
        assert_eq!(previous.due(2.0, 1e9, 4.0), None);
    }
}
