//! One dimension of a limit: a leaky bucket whose rate may change while others wait at it.

use std::{sync::Arc, sync::Mutex as Lock, time::Duration};

use leaky_bucket::RateLimiter;
use tokio::sync::{Mutex, watch};

use crate::units::Rate;

/// The grain of refills. Below it a bucket holds several requests at once; above it, one.
const GRAIN: Duration = Duration::from_millis(20);

/// The time that a limit of the service is for.
const MINUTE: Duration = Duration::from_secs(60);

/// What may be saved up of what was reserved and not used: as much as comes in within this time.
const SAVED: Duration = Duration::from_secs(10);

/// A bucket, or none where nothing limits.
pub(super) struct Bucket {
    current: watch::Sender<Option<Flow>>,
    /// Reserved and not used, or used and not reserved where it is negative.
    balance: Lock<i64>,
    /// One takes after the other: a large request must not be passed by small ones for ever.
    turn: Mutex<()>,
}

#[derive(Clone)]
struct Flow {
    rate: Rate,
    limiter: Arc<RateLimiter>,
}

impl Bucket {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self { current: watch::Sender::new(rate.map(flow)), balance: Lock::new(0), turn: Mutex::new(()) }
    }

    /// Waits until so many may be taken. What was saved is taken first, what is owed as well.
    pub(super) async fn take(&self, amount: u64) {
        let _turn = self.turn.lock().await;
        let mut left = self.balanced(amount);
        let mut current = self.current.subscribe();
        while left > 0 {
            let Some(Flow { limiter, .. }) = current.borrow_and_update().clone() else { return };
            // A bucket never holds more than its maximum, and a request larger than that would wait for ever.
            let part = usize::try_from(left).unwrap_or(usize::MAX).min(limiter.max());
            tokio::select! {
                biased;
                // The rate has changed: whoever waits goes on at the new one.
                Ok(()) = current.changed() => {}
                () = limiter.acquire(part) => left -= part as u64,
            }
        }
    }

    fn balanced(&self, amount: u64) -> u64 {
        if self.current.borrow().is_none() {
            return 0;
        }
        let Ok(mut balance) = self.balance.lock() else { return amount };
        let wanted = i64::try_from(amount).unwrap_or(i64::MAX).saturating_sub(*balance);
        *balance = wanted.min(0).saturating_neg();
        wanted.max(0) as u64
    }

    /// Puts right what was reserved by an estimate.
    pub(super) fn settle(&self, reserved: u64, used: u64) {
        let Some(Flow { rate, .. }) = self.current.borrow().clone() else { return };
        let most = (rate.per_second() * SAVED.as_secs_f64()) as i64;
        if let Ok(mut balance) = self.balance.lock() {
            let difference = reserved as i64 - used as i64;
            *balance = balance.saturating_add(difference).min(most.max(reserved as i64));
        }
    }

    /// Adopts a limit that the service tells, a minute, whatever was configured.
    pub(super) fn adopt(&self, limit: u64) {
        let Some(rate) = Rate::new(limit as f64, MINUTE) else { return };
        self.current.send_if_modified(|current| {
            let known = current.as_ref().map(|flow| flow.rate.per_second());
            let same = known.is_some_and(|known| (known / rate.per_second() - 1.0).abs() < 0.01);
            if !same {
                tracing::debug!(%rate, "the service tells another limit, which counts from now on");
                *current = Some(flow(rate));
            }
            !same
        });
    }

    /// How long it takes until so many have come in.
    pub(super) fn time_for(&self, amount: u64) -> Option<Duration> {
        let rate = self.current.borrow().as_ref()?.rate;
        Some(rate.period().saturating_mul(u32::try_from(amount).unwrap_or(u32::MAX)))
    }

    /// Whether nobody would have to wait now.
    pub(super) fn is_open(&self) -> bool {
        self.current.borrow().as_ref().is_none_or(|flow| flow.limiter.balance() > 0)
    }
}

fn flow(rate: Rate) -> Flow {
    let period = rate.period();
    // Evenly spaced where the grain allows it; the bucket begins with one refill, not full.
    let (interval, refill) = match period >= GRAIN {
        true => (period, 1),
        false => (GRAIN, (rate.per_second() * GRAIN.as_secs_f64()).floor().max(1.0) as usize),
    };
    let limiter =
        RateLimiter::builder().interval(interval).refill(refill).max(refill).initial(refill).build();
    Flow { rate, limiter: Arc::new(limiter) }
}

#[cfg(test)]
mod tests {
    use futures::join;
    use tokio::time::{Instant, sleep};

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
    async fn a_new_limit_counts_for_those_who_wait_already() {
        let started = Instant::now();
        let slow = bucket("1/min");
        slow.take(1).await;
        let raise = async {
            sleep(Duration::from_secs(3)).await;
            slow.adopt(3600);
        };
        join!(slow.take(1), raise);
        assert_eq!(started.elapsed(), Duration::from_secs(3));
        slow.adopt(30);
        slow.take(1).await;
        slow.take(1).await;
        assert_eq!(started.elapsed(), Duration::from_secs(5));
        slow.adopt(30);
        slow.take(1).await;
        assert_eq!(started.elapsed(), Duration::from_secs(7), "the same limit again changes nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn estimates_are_put_right() {
        let tokens = bucket("50/s");
        let started = Instant::now();
        tokens.take(100).await;
        let after_first = started.elapsed();
        tokens.settle(100, 30);
        tokens.take(70).await;
        assert_eq!(started.elapsed(), after_first, "what was not used is taken first");
        tokens.settle(70, 120);
        tokens.take(1).await;
        assert_eq!(
            started.elapsed() - after_first,
            Duration::from_millis(51 * 20),
            "what is owed is waited for"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_request_is_not_passed_by_small_ones() {
        let tokens = bucket("50/s");
        let started = Instant::now();
        let at = |amount| {
            let tokens = &tokens;
            async move {
                tokens.take(amount).await;
                started.elapsed().as_millis()
            }
        };
        let (large, small) = join!(at(101), at(50));
        assert_eq!((large, small), (2000, 3000));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nothing_waits_until_one_is_told() {
        let started = Instant::now();
        let requests = Bucket::new(None);
        for _ in 0..1000 {
            requests.take(1).await;
        }
        assert_eq!((started.elapsed(), requests.time_for(1)), (Duration::ZERO, None));
        requests.adopt(60);
        requests.take(2).await;
        assert_eq!(started.elapsed(), Duration::from_secs(1));
    }
}
