//! A gate that closes for a while after a 429, for all calls about files and jobs. Main type: [`Gate`]; the
//! client has one, separate from the limiters of its models.
//!
//! The backoff belongs to the gate, not to the request that got the 429: otherwise each request would start at
//! the lowest step, and together they would send far too often. There are two backoffs, because this account's
//! limit (code 1300) and the service's own capacity (code 3505) last differently. An answer to a request sent
//! since resets both; 429s for requests already in flight add no information.

use std::{sync::Mutex, time::Duration};

use tokio::time::Instant;

use crate::mistral::{ApiError, lock::unpoisoned};

use super::{RetryPolicy, backoff::delay};

/// The first wait after a capacity error, which lasts for tens of seconds.
const CAPACITY: Duration = Duration::from_secs(5);

/// A gate, initially open.
#[derive(Debug, Default)]
pub(in crate::mistral) struct Gate(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    until: Option<Instant>,
    /// When the last 429 that counted arrived.
    met: Option<Instant>,
    limit: u32,
    capacity: u32,
}

impl Gate {
    /// Records a 429 for a request sent at `sent`. `jitter` is 0 to 1.
    pub(in crate::mistral) fn on_rate_limited(
        &self,
        error: &ApiError,
        sent: Instant,
        policy: RetryPolicy,
        jitter: f64,
    ) {
        let now = Instant::now();
        let mut state = unpoisoned(&self.0);
        let is_known = state.met.is_some_and(|met| sent < met);
        if is_known && error.retry_after.is_none() {
            return;
        }
        let (count, first) = match error.is_capacity() {
            true => (&mut state.capacity, CAPACITY.max(policy.wait)),
            false => (&mut state.limit, policy.wait),
        };
        *count += u32::from(!is_known);
        let wait = delay(first, policy.max_wait, (*count).max(1), error.retry_after, jitter);
        if !is_known {
            state.met = Some(now);
        }
        let until = now + wait;
        state.until = Some(state.until.map_or(until, |known| known.max(until)));
    }

    /// Records an answer to a request sent at `sent`.
    pub(in crate::mistral) fn answered(&self, sent: Instant) {
        let mut state = unpoisoned(&self.0);
        if state.met.is_none_or(|met| sent >= met) {
            (state.limit, state.capacity) = (0, 0);
        }
    }

    /// When it reopens, if it is closed now.
    pub(in crate::mistral) fn until(&self) -> Option<Instant> {
        unpoisoned(&self.0).until.filter(|until| *until > Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep_until};

    use super::*;

    const POLICY: RetryPolicy =
        RetryPolicy { times: 3, wait: Duration::from_secs(1), max_wait: Duration::from_secs(30) };

    async fn pass(gate: &Gate) {
        while let Some(until) = gate.until() {
            sleep_until(until).await;
        }
    }

    fn error(body: &str, asked: Option<u64>) -> ApiError {
        let mut error = ApiError::read(429, body);
        error.retry_after = asked.map(Duration::from_secs);
        error
    }

    /// How long the gate stays closed each time that a request sent after a pause gets the same error.
    async fn waits(error: &ApiError, times: usize, jitter: f64) -> Vec<f64> {
        let gate = Gate::default();
        let mut waits = Vec::new();
        for _ in 0..times {
            let sent = Instant::now();
            gate.on_rate_limited(error, sent, POLICY, jitter);
            pass(&gate).await;
            waits.push(sent.elapsed().as_secs_f64());
        }
        waits
    }

    #[tokio::test(start_paused = true)]
    async fn each_kind_of_429_has_its_own_steps() {
        let (limit, capacity) = (error(r#"{"code":1300}"#, None), error(r#"{"code":"3505"}"#, None));
        assert_eq!(waits(&limit, 7, 1.0).await, [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]);
        assert_eq!(waits(&capacity, 4, 1.0).await, [5.0, 10.0, 20.0, 30.0]);
        assert_eq!(waits(&limit, 3, 0.5).await, [0.5, 1.0, 2.0], "full jitter");
        assert_eq!(waits(&limit, 3, 0.0).await, [0.0; 3]);
        assert_eq!(waits(&error("", Some(7)), 2, 0.0).await, [7.0, 7.0], "what the service asks for");
        assert_eq!(waits(&error("", Some(600)), 2, 0.0).await, [30.0, 30.0], "up to the longest wait");
    }

    #[tokio::test(start_paused = true)]
    async fn one_burst_is_one_step_and_an_answer_brings_it_down() {
        let gate = Gate::default();
        let error = error("", None);
        let sent = Instant::now();
        advance(Duration::from_secs(1)).await;
        for _ in 0..8 {
            gate.on_rate_limited(&error, sent, POLICY, 1.0);
        }
        assert_eq!(gate.until(), Some(Instant::now() + Duration::from_secs(1)));
        gate.answered(sent);
        pass(&gate).await;
        let probe = Instant::now();
        gate.on_rate_limited(&error, probe, POLICY, 1.0);
        assert_eq!(gate.until(), Some(probe + Duration::from_secs(2)));
        pass(&gate).await;
        gate.answered(Instant::now());
        gate.on_rate_limited(&error, Instant::now(), POLICY, 1.0);
        assert_eq!(gate.until(), Some(Instant::now() + Duration::from_secs(1)));
    }
}
