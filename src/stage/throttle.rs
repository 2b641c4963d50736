//! Throttle: delays items to a rate, keeps their order, drops none.

use std::{sync::Arc, time::Duration};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use std::sync::Mutex;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::units::Rate;

/// Schedules items: evenly spaced, with at most a burst to catch up after a pause.
///
/// In any window of time `t` at most `rate × t + burst` items pass, plus a little for late timers. A bucket that
/// starts full would let through twice the rate in its first second, and the service counts every second.
#[derive(Debug)]
pub struct Pacer {
    period: Duration,
    grace: Duration,
    next: Option<Instant>,
}

/// The delay that a late timer may make up for. Timers fire a millisecond or two late; without it the rate would
/// never be reached, and with much of it a burst would follow a stall.
const LATE: Duration = Duration::from_millis(4);

impl Pacer {
    /// A pacer for a rate; `burst` items may pass at once after a pause.
    pub fn new(rate: Rate, burst: u32) -> Self {
        let period = rate.period();
        Self { period, grace: period * burst.saturating_sub(1) + LATE.min(period), next: None }
    }

    /// Reserves the next slot and returns its time.
    pub fn reserve(&mut self, now: Instant) -> Instant {
        let earliest = now.checked_sub(self.grace).unwrap_or(now);
        // The first item has no predecessor to be late after.
        let place = self.next.map_or(now, |next| next.max(earliest));
        self.next = Some(place + self.period);
        place.max(now)
    }
}

/// Delays the items of a stream to the pacer's rate. Items that are `free` need no slot, but do not overtake a
/// waiting item. `waiting` is called with 1 when an item starts to wait, and with -1 when it stops. After `stop` nothing
/// waits, so that the stages above can end.
pub fn throttle<T, F, W>(
    input: BoxStream<'static, T>,
    pacer: Arc<Mutex<Pacer>>,
    free: F,
    waiting: W,
    stop: CancellationToken,
) -> BoxStream<'static, T>
where
    T: Send + 'static,
    F: Fn(&T) -> bool + Send + 'static,
    W: Fn(i64) + Send + 'static,
{
    stream::unfold(
        (input, pacer, free, waiting, stop),
        |(mut input, pacer, free, waiting, stop)| async move {
            let item = input.next().await?;
            if !free(&item) && !stop.is_cancelled() {
                let now = Instant::now();
                // Nothing panics while holding the lock.
                let place = pacer.lock().map_or(now, |mut pacer| pacer.reserve(now));
                if place > now {
                    waiting(1);
                    tokio::select! {
                        () = sleep_until(place) => {}
                        () = stop.cancelled() => {}
                    }
                    waiting(-1);
                }
            }
            Some((item, (input, pacer, free, waiting, stop)))
        },
    )
    .boxed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    async fn times(rate: Rate, burst: u32, items: usize) -> Vec<Duration> {
        let started = Instant::now();
        let pacer = Arc::new(Mutex::new(Pacer::new(rate, burst)));
        throttle(stream::iter(0..items).boxed(), pacer, |_| false, |_| (), CancellationToken::new())
            .map(|_| started.elapsed())
            .collect()
            .await
    }

    #[tokio::test(start_paused = true)]
    async fn items_pass_evenly_spaced_at_exact_times() {
        let ms = |values: Vec<Duration>| values.iter().map(Duration::as_millis).collect::<Vec<_>>();
        assert_eq!(ms(times(rate("5/s"), 1, 5).await), [0, 200, 400, 600, 800]);
        // The burst is only for after a pause: the first items are spaced like all others.
        assert_eq!(ms(times(rate("5/s"), 3, 5).await), [0, 200, 400, 600, 800]);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_waits_after_a_stop() {
        let started = Instant::now();
        let (pacer, stop) = (Arc::new(Mutex::new(Pacer::new(rate("1/min"), 1))), CancellationToken::new());
        let items = throttle(stream::iter(0..100).boxed(), pacer, |_| false, |_| (), stop.clone());
        let stopping = async {
            tokio::time::sleep(Duration::from_secs(90)).await;
            stop.cancel();
        };
        let (items, ()) = tokio::join!(items.collect::<Vec<_>>(), stopping);
        assert_eq!((items.len(), started.elapsed()), (100, Duration::from_secs(90)));
    }

    #[tokio::test(start_paused = true)]
    async fn two_thousand_at_two_hundred_a_second_take_ten_seconds() {
        let times = times(rate("200/s"), 1, 2000).await;
        assert_eq!(times.last().unwrap().as_millis(), 9995);
        assert!(busiest(&times, Duration::from_secs(1)) <= 201);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_free_is_not_paced_and_the_order_is_kept() {
        let started = Instant::now();
        let pacer = Arc::new(Mutex::new(Pacer::new(rate("1/s"), 1)));
        let out: Vec<i32> = throttle(
            stream::iter(0..1000).boxed(),
            pacer,
            |i| i % 500 != 0,
            |_| (),
            CancellationToken::new(),
        )
        .collect()
        .await;
        assert_eq!(out, (0..1000).collect::<Vec<_>>());
        assert_eq!(started.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_shared_pacer_is_one_rate() {
        let started = Instant::now();
        let pacer = Arc::new(Mutex::new(Pacer::new(rate("10/s"), 1)));
        let streams = (0..4).map(|_| {
            throttle(
                stream::iter(0..10).boxed(),
                Arc::clone(&pacer),
                |_| false,
                |_| (),
                CancellationToken::new(),
            )
            .count()
        });
        let counts = futures::future::join_all(streams).await;
        assert_eq!(counts, [10; 4]);
        assert_eq!(started.elapsed(), Duration::from_millis(3900));
    }

    fn busiest(times: &[Duration], window: Duration) -> usize {
        let after = |at: usize| times[at..].iter().take_while(|time| **time - times[at] < window).count();
        (0..times.len()).map(after).max().unwrap_or(0)
    }

    proptest! {
        /// However items arrive and however late timers are: never more than the rate and the burst in any
        /// window, in order, and nothing waits longer than it must.
        #[test]
        fn no_window_holds_more_than_rate_and_burst(
            gaps in proptest::collection::vec(0u64..400, 1..300),
            late in proptest::collection::vec(0u64..9, 300),
            per_second in 1u32..400,
            burst in 1u32..20,
        ) {
            let rate = Rate::new(per_second.into(), Duration::from_secs(1)).unwrap();
            let mut pacer = Pacer::new(rate, burst);
            let base = Instant::now();
            let mut now = base;
            let mut times = Vec::new();
            for (gap, late) in gaps.iter().zip(&late) {
                now += Duration::from_millis(*gap / 10);
                let place = pacer.reserve(now);
                prop_assert!(place >= now);
                if place > now {
                    now = place + Duration::from_millis(*late);
                }
                times.push(now - base);
            }
            let window = Duration::from_secs(1);
            let allowed = f64::from(per_second) * (1.0 + LATE.as_secs_f64()) + f64::from(burst) + 1.0;
            prop_assert!((busiest(&times, window) as f64) <= allowed, "{} > {allowed}", busiest(&times, window));
        }
    }
}
