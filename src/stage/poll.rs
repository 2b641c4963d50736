//! Polling: one check at once, then one after each pause until the end; the last state is always reported.

use std::{future::Future, time::Duration};

use futures::stream::BoxStream;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::map;

/// The timing of checks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timetable {
    /// The pause after the first check.
    pub every: Duration,
    /// The factor by which each pause grows; 1 or more.
    pub factor: f64,
    /// The longest pause.
    pub max: Duration,
    /// The total time. The last check is made at its end.
    pub timeout: Duration,
}

impl Timetable {
    /// The time of the check after the one at `elapsed`, since the beginning; `None` if that was the last one.
    /// `pauses` is the number of pauses so far.
    pub fn next(&self, elapsed: Duration, pauses: u32) -> Option<Duration> {
        if elapsed >= self.timeout {
            return None;
        }
        // A zero pause would be a busy loop.
        let first = self.every.max(Duration::from_millis(1)).as_secs_f64();
        let longest = self.max.max(self.every).as_secs_f64();
        let pause = (first * self.factor.max(1.0).powi(pauses.min(1000) as i32)).min(longest);
        let pause = Duration::try_from_secs_f64(pause).unwrap_or(self.max);
        Some(elapsed.saturating_add(pause).min(self.timeout))
    }
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// It continues.
    Pending,
    /// It has ended.
    Ended,
    /// The result is no longer needed.
    Stopped,
}

/// How polling ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled<T> {
    /// The item has ended; this is its last state.
    Ended(T),
    /// The time is over; this is the last state seen.
    TimedOut(T),
    /// The run was stopped.
    Stopped(T),
}

/// Polls the items of a stream, at most `most` at once, and emits them as they end.
///
/// `age` returns how long an item has been in flight already: its timeout counts from its own start, not from
/// this program's. `check` updates an item. Between two checks an item is only a timer; `stop` ends all of them.
/// `stop` ends them all where they are.
pub fn poll<T, A, F, W>(
    input: BoxStream<'static, T>,
    most: usize,
    timetable: Timetable,
    age: A,
    check: W,
    stop: CancellationToken,
) -> BoxStream<'static, Polled<T>>
where
    T: Send + 'static,
    A: Fn(&T) -> Duration + Send + Sync + 'static,
    F: Future<Output = (T, Checked)> + Send + 'static,
    W: Fn(T) -> F + Clone + Send + Sync + 'static,
{
    map(input, most, move |mut item| {
        let began = Instant::now();
        let age = age(&item);
        let (check, stop) = (check.clone(), stop.clone());
        async move {
            let mut pauses = 0;
            loop {
                let at = age + began.elapsed();
                let (checked, found) = check(item).await;
                item = checked;
                match found {
                    Checked::Ended => return Polled::Ended(item),
                    Checked::Stopped => return Polled::Stopped(item),
                    Checked::Pending => {}
                }
                let Some(next) = timetable.next(at, pauses) else { return Polled::TimedOut(item) };
                pauses += 1;
                tokio::select! {
                    () = sleep_until(began + next.saturating_sub(age)) => {}
                    () = stop.cancelled() => return Polled::Stopped(item),
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures::{StreamExt, stream};
    use proptest::prelude::*;

    use super::*;

    fn timetable(every: u64, factor: f64, max: u64, timeout: u64) -> Timetable {
        let seconds = Duration::from_secs;
        Timetable { every: seconds(every), factor, max: seconds(max), timeout: seconds(timeout) }
    }

    /// Polls an item that ends with check number `ends`; returns the times of the checks in milliseconds.
    async fn times(timetable: Timetable, age: u64, ends: usize) -> (Vec<u128>, Polled<usize>) {
        let started = Instant::now();
        let seen: Arc<Mutex<Vec<u128>>> = Arc::default();
        let log = Arc::clone(&seen);
        let check = move |checks: usize| {
            log.lock().unwrap().push(started.elapsed().as_millis());
            let found = if checks + 1 >= ends { Checked::Ended } else { Checked::Pending };
            async move { (checks + 1, found) }
        };
        let input = stream::iter([0usize]).boxed();
        let mut out =
            poll(input, 10, timetable, move |_| Duration::from_secs(age), check, CancellationToken::new());
        let end = out.next().await.unwrap();
        let seen = seen.lock().unwrap().clone();
        (seen, end)
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_check_is_at_once_and_the_others_are_exact() {
        let reported = times(timetable(30, 1.5, 120, 3600), 0, 7).await;
        let wanted = vec![0, 30_000, 75_000, 142_500, 243_750, 363_750, 483_750];
        assert_eq!(reported, (wanted, Polled::Ended(7)));
        assert_eq!(times(timetable(30, 1.5, 120, 3600), 0, 1).await, (vec![0], Polled::Ended(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_state_is_seen_when_the_time_is_over() {
        assert_eq!(
            times(timetable(30, 1.0, 30, 70), 0, 100).await,
            (vec![0, 30_000, 60_000, 70_000], Polled::TimedOut(4))
        );
        // An item that ends with the last check has ended.
        assert_eq!(times(timetable(30, 1.0, 30, 70), 0, 4).await.1, Polled::Ended(4));
        // If the time was over before the program began, one check remains.
        assert_eq!(times(timetable(30, 1.0, 30, 70), 500, 100).await, (vec![0], Polled::TimedOut(1)));
        assert_eq!(times(timetable(30, 1.0, 30, 70), 60, 100).await, (vec![0, 10_000], Polled::TimedOut(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn many_are_polled_at_once() {
        let started = Instant::now();
        let check = |checks: u32| async move {
            (checks + 1, if checks == 3 { Checked::Ended } else { Checked::Pending })
        };
        let input = stream::iter(vec![0; 500]).boxed();
        let out = poll(
            input,
            1000,
            timetable(10, 1.0, 10, 3600),
            |_| Duration::ZERO,
            check,
            CancellationToken::new(),
        );
        assert_eq!(out.count().await, 500);
        assert_eq!(started.elapsed(), Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_the_pauses() {
        let (started, stop) = (Instant::now(), CancellationToken::new());
        let later = stop.clone();
        let check = |checks: u32| async move { (checks + 1, Checked::Pending) };
        let input = stream::iter(vec![0; 5]).boxed();
        let out = poll(input, 10, timetable(10, 1.0, 10, 3600), |_| Duration::ZERO, check, stop);
        let stopping = async move {
            tokio::time::sleep(Duration::from_secs(25)).await;
            later.cancel();
        };
        let (ends, ()) = tokio::join!(out.collect::<Vec<_>>(), stopping);
        assert_eq!(ends, vec![Polled::Stopped(3); 5]);
        assert_eq!(started.elapsed(), Duration::from_secs(25));
    }

    proptest! {
        /// For any timetable: checks continue, never twice at one time, up to the deadline and not past it.
        #[test]
        fn checks_go_on_to_the_deadline_and_no_further(
            every in 0u64..5000, factor in 0.0f64..5.0, max in 0u64..10_000, timeout in 1u64..100_000,
        ) {
            let ms = Duration::from_millis;
            let timetable = Timetable { every: ms(every), factor, max: ms(max), timeout: ms(timeout) };
            let (mut at, mut pauses) = (Duration::ZERO, 0);
            while let Some(next) = timetable.next(at, pauses) {
                prop_assert!(next > at && next <= timetable.timeout);
                at = next;
                pauses += 1;
                prop_assert!(pauses <= 100_001);
            }
            prop_assert_eq!(at, timetable.timeout);
        }
    }
}
