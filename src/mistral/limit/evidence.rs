//! The statistics behind the controller's decisions: whether refusals exceed chance, and which of two
//! explanations fits better. Pure functions over counts, called by the controller.

use super::history::Counts;

/// The largest share of refusals accepted as a baseline.
pub(super) const MOST_BASELINE: f64 = 0.6;

/// Whether refusals exceed what the baseline and some slack explain.
pub(super) fn exceeds(counts: Counts, baseline: f64, slack: f64) -> bool {
    let expected = f64::from(counts.sent) * (baseline + slack);
    f64::from(counts.refused) > expected + (2.0 + 5.0 * baseline) * expected.sqrt()
}

/// The length of a row of refusals that has a probability of one in a thousand, given the share refused.
pub(super) fn improbable_row(share: f64) -> f64 {
    7.0 / -(share + 0.01).min(MOST_BASELINE).ln()
}

/// Log odds of "the share refused is unchanged" against "hardly more than the baseline is refused".
///
/// `before` counts at half its weight: a streak of bad luck also makes the controller slow down.
pub(super) fn log_odds(before: Counts, counts: Counts, baseline: f64) -> f64 {
    let (sent, refused) = (f64::from(before.sent) / 2.0, f64::from(before.refused) / 2.0);
    let as_before = log_predictive(counts, refused + 1.0, sent - refused + 1.0);
    as_before - log_predictive(counts, 0.5 + 15.0 * baseline, 15.0)
}

/// The log probability of one sequence of outcomes whose share of refusals has a beta distribution.
fn log_predictive(counts: Counts, refused: f64, accepted: f64) -> f64 {
    let rising = |from: f64, steps: u32| (0..steps).map(|step| (from + f64::from(step)).ln()).sum::<f64>();
    rising(refused, counts.refused) + rising(accepted, counts.sent - counts.refused)
        - rising(refused + accepted, counts.sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(sent: u32, refused: u32) -> Counts {
        Counts { sent, refused, row: 0 }
    }

    #[test]
    fn a_few_refusals_are_chance_and_many_are_not() {
        assert!(!exceeds(counts(24, 6), 0.0, 0.2));
        assert!(exceeds(counts(24, 10), 0.0, 0.2));
        assert!(!exceeds(counts(24, 10), 0.3, 0.2), "the baseline explains it");
    }

    #[test]
    fn longer_rows_are_needed_where_more_is_refused_anyway() {
        assert!(improbable_row(0.0) < 2.0);
        assert!((9.0..11.0).contains(&improbable_row(0.48)));
        assert_eq!(improbable_row(0.6), improbable_row(0.9));
    }

    #[test]
    fn odds_tell_sporadic_refusals_from_a_limit() {
        assert!(log_odds(counts(40, 16), counts(20, 8), 0.0) > 3.0, "as often as before");
        assert!(log_odds(counts(40, 16), counts(20, 0), 0.0) < -3.0, "gone at a lower pace");
        assert!(log_odds(counts(40, 4), counts(6, 0), 0.0).abs() < 1.0, "not enough is known");
    }
}
