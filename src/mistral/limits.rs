//! One limiter for a connection: requests, tokens, and the pause after a 429.

use std::time::Duration;

use leaky_bucket::RateLimiter;
use tokio::time::Instant;

use crate::units::Rate;

use super::gate::Gate;

/// The limits of a connection, counted for each request sent, retries included.
pub struct Limits {
    requests: Option<RateLimiter>,
    tokens: Option<RateLimiter>,
    gate: Gate,
}

/// The grain of refills. Below it a bucket holds several requests at once; above it, one.
const GRAIN: Duration = Duration::from_millis(20);

impl Limits {
    /// Limits with the given rates.
    pub fn new(requests: Option<Rate>, tokens: Option<Rate>) -> Self {
        Self { requests: requests.map(bucket), tokens: tokens.map(bucket), gate: Gate::default() }
    }

    /// Waits until a request of about so many tokens may be sent.
    pub async fn acquire(&self, tokens: u64) {
        if let Some(bucket) = &self.requests {
            bucket.acquire_one().await;
        }
        if let Some(bucket) = &self.tokens {
            // A bucket never holds more than its maximum, and a request larger than that would wait for ever.
            let mut left = tokens as usize;
            while left > 0 {
                let part = left.min(bucket.max());
                bucket.acquire(part).await;
                left -= part;
            }
        }
        // Last, because a pause may begin while the buckets fill.
        self.gate.pass().await;
    }

    /// Whether nobody would have to wait now.
    pub fn is_open(&self) -> bool {
        let open = |bucket: &Option<RateLimiter>| bucket.as_ref().is_none_or(|bucket| bucket.balance() > 0);
        open(&self.requests) && open(&self.tokens) && self.gate.until().is_none()
    }

    /// Holds everybody up until then.
    pub fn park(&self, until: Instant) {
        self.gate.park(until);
    }
}

fn bucket(rate: Rate) -> RateLimiter {
    let period = rate.period();
    // Evenly spaced where the grain allows it; the bucket begins with one refill, not full.
    let (interval, refill) = match period >= GRAIN {
        true => (period, 1),
        false => (GRAIN, (rate.per_second() * GRAIN.as_secs_f64()).floor().max(1.0) as usize),
    };
    RateLimiter::builder().interval(interval).refill(refill).max(refill).initial(refill).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_are_spaced_and_tokens_add_up() {
        let started = Instant::now();
        let limits = Limits::new(Some("5/s".parse().unwrap()), None);
        for _ in 0..6 {
            limits.acquire(1000).await;
        }
        assert_eq!(started.elapsed(), Duration::from_secs(1));

        let started = Instant::now();
        let limits = Limits::new(None, Some("60k/min".parse().unwrap()));
        for _ in 0..4 {
            limits.acquire(500).await;
        }
        let elapsed = started.elapsed().as_millis();
        assert!((1900..=2100).contains(&elapsed), "{elapsed}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_everybody_up() {
        let started = Instant::now();
        let limits = Limits::new(None, None);
        limits.park(started + Duration::from_secs(7));
        limits.park(started + Duration::from_secs(3));
        futures::join!(limits.acquire(1), limits.acquire(1));
        assert_eq!(started.elapsed(), Duration::from_secs(7));
    }
}
