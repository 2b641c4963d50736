//! A configured rate as a leaky bucket: the upper bound set by `limits:`, regardless of what the service allows.
//! Main type: [`Bucket`]; the [`Limiter`](super::limiter::Limiter) has one for requests and one for tokens.

use std::{sync::Mutex, time::Duration};

use leaky_bucket::RateLimiter;

use crate::{mistral::lock::unpoisoned, units::Rate};

/// The shortest refill interval. For faster rates, a refill holds several requests.
const GRAIN: Duration = Duration::from_millis(20);

/// The longest refill interval of a rate that is faster than one per interval.
const LONGEST: Duration = Duration::from_millis(100);

/// The most unused reservation that is saved: the amount refilled in this time.
const SAVED: Duration = Duration::from_secs(10);

/// A bucket, or none without a limit.
pub(super) struct Bucket {
    flow: Option<(Rate, RateLimiter)>,
    /// The unused reservations; negative if more was used than reserved.
    balance: Mutex<i64>,
}

impl Bucket {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self { flow: rate.map(|rate| (rate, flow(rate))), balance: Mutex::new(0) }
    }

    /// Waits until `amount` may be taken; savings and debts are settled first. The limiter lets one request wait
    /// at a time, so that small requests do not starve a large one.
    pub(super) async fn take(&self, amount: u64) {
        let Some((_, limiter)) = &self.flow else { return };
        let mut left = self.balanced(amount);
        while left > 0 {
            // A bucket never holds more than its maximum; a larger request would wait forever.
            let part = usize::try_from(left).unwrap_or(usize::MAX).min(limiter.max());
            limiter.acquire(part).await;
            left -= part as u64;
        }
    }

    fn balanced(&self, amount: u64) -> u64 {
        let mut balance = unpoisoned(&self.balance);
        let wanted = i64::try_from(amount).unwrap_or(i64::MAX).saturating_sub(*balance);
        *balance = wanted.min(0).saturating_neg();
        wanted.max(0) as u64
    }

    /// Reconciles the reserved estimate with the actual use.
    pub(super) fn reconcile(&self, reserved: u64, used: u64) {
        let Some((rate, _)) = &self.flow else { return };
        let most = (rate.per_second() * SAVED.as_secs_f64()) as i64;
        let mut balance = unpoisoned(&self.balance);
        let difference = reserved as i64 - used as i64;
        *balance = balance.saturating_add(difference).min(most.max(reserved as i64));
    }

    /// Whether a request could start without waiting.
    pub(super) fn is_open(&self) -> bool {
        self.flow.as_ref().is_none_or(|(_, limiter)| limiter.balance() > 0)
    }
}

fn flow(rate: Rate) -> RateLimiter {
    let period = rate.period();
    // Evenly spaced where the interval allows. A refill is a whole number and a timer counts milliseconds: of the
    // intervals up to `LONGEST`, the one that keeps the rate best. The bucket starts with one refill, not full.
    let refills = |interval: Duration| (rate.per_second() * interval.as_secs_f64()).ceil().max(1.0) as usize;
    let off = |refill: &usize| {
        let millis = period.as_secs_f64() * 1e3 * *refill as f64;
        (millis.ceil() - millis) / millis
    };
    let (least, most) = (refills(GRAIN), refills(LONGEST));
    let refill =
        (least..=most.clamp(least, least + 100)).min_by(|a, b| off(a).total_cmp(&off(b))).unwrap_or(least);
    let interval = period.mul_f64(refill as f64);
    RateLimiter::builder().interval(interval).refill(refill).max(refill).initial(refill).build()
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn bucket(rate: &str) -> Bucket {
        Bucket::new(Some(rate.parse().unwrap()))
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_taken_is_spaced() {
        let started = Instant::now();
        let requests = bucket("5/s");
        for _ in 0..6 {
            requests.take(1).await;
        }
        assert_eq!(started.elapsed(), Duration::from_secs(1));
        let started = Instant::now();
        let tokens = bucket("60k/min");
        for _ in 0..4 {
            tokens.take(500).await;
        }
        assert_eq!(started.elapsed(), Duration::from_millis(1980));
    }

    #[tokio::test(start_paused = true)]
    async fn any_rate_is_kept_within_five_percent() {
        for rate in ["5k/min", "90/s", "75/s", "7/s", "99/s", "3.3k/min", "123.4/s", "1M/min", "40/min"] {
            let started = Instant::now();
            let limited = bucket(rate);
            let per_second = rate.parse::<Rate>().unwrap().per_second();
            let amount = (per_second * 60.0) as u64;
            for _ in 0..20 {
                limited.take(amount / 20).await;
            }
            let seconds = started.elapsed().as_secs_f64();
            assert!((57.0..=61.0).contains(&seconds), "{rate}: a minute's amount took {seconds} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn estimates_are_put_right() {
        let tokens = bucket("50/s");
        let started = Instant::now();
        tokens.take(100).await;
        let after_first = started.elapsed();
        tokens.reconcile(100, 30);
        tokens.take(70).await;
        assert_eq!(started.elapsed(), after_first, "what was not used is taken first");
        tokens.reconcile(70, 120);
        tokens.take(1).await;
        assert_eq!(
            started.elapsed() - after_first,
            Duration::from_millis(51 * 20),
            "what is owed is waited for"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nothing_waits() {
        let started = Instant::now();
        let requests = Bucket::new(None);
        for _ in 0..1000 {
            requests.take(1).await;
        }
        assert!(requests.is_open());
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}
