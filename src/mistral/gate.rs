//! A gate that is shut for a while after a 429, for everybody who comes to it.
//!
//! The wait belongs to the gate, not to the request that met the 429: each request would begin on the
//! lowest step, and together they would ask far too often. There are two ladders, because this account's
//! limit (code 1300) and the service's own capacity (code 3505) last differently. An answer to what was
//! sent since brings both back to the ground; 429s of what was under way before say nothing new.

use std::{sync::Mutex, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::{ApiError, Patience, ladder::step, limits::unpoisoned};

/// The first wait after a capacity error, which lasts tens of seconds.
const CAPACITY: Duration = Duration::from_secs(5);

/// A gate; open until somebody shuts it.
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    until: Option<Instant>,
    /// When the last 429 came that counted.
    met: Option<Instant>,
    limit: u32,
    capacity: u32,
}

impl Gate {
    /// Shuts it until then; a pause that is under way is not shortened.
    pub(super) fn park(&self, until: Instant) {
        let mut state = unpoisoned(&self.0);
        state.until = Some(state.until.map_or(until, |known| known.max(until)));
    }

    /// A 429 came to what was sent then. `dice` is 0 to 1.
    pub(super) fn met(&self, error: &ApiError, sent: Instant, patience: Patience, dice: f64) {
        let now = Instant::now();
        let mut state = unpoisoned(&self.0);
        let is_known = state.met.is_some_and(|met| sent < met);
        if is_known && error.retry_after.is_none() {
            return;
        }
        let (count, first) = match error.is_capacity() {
            true => (&mut state.capacity, CAPACITY.max(patience.wait)),
            false => (&mut state.limit, patience.wait),
        };
        *count += u32::from(!is_known);
        let wait = step(first, patience.max_wait, (*count).max(1), error.retry_after, dice);
        if !is_known {
            state.met = Some(now);
        }
        let until = now + wait;
        state.until = Some(state.until.map_or(until, |known| known.max(until)));
    }

    /// An answer came to what was sent then.
    pub(super) fn answered(&self, sent: Instant) {
        let mut state = unpoisoned(&self.0);
        if state.met.is_none_or(|met| sent >= met) {
            (state.limit, state.capacity) = (0, 0);
        }
    }

    /// Whether no answer has come since the last 429.
    pub(super) fn is_on_trial(&self) -> bool {
        let state = unpoisoned(&self.0);
        state.limit > 0 || state.capacity > 0
    }

    /// When it opens again, if it is shut now.
    pub(super) fn until(&self) -> Option<Instant> {
        unpoisoned(&self.0).until.filter(|until| *until > Instant::now())
    }

    /// Waits until it is open; a pause may be made longer while one waits.
    pub(super) async fn pass(&self) {
        while let Some(until) = self.until() {
            sleep_until(until).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const PATIENCE: Patience =
        Patience { times: 3, wait: Duration::from_secs(1), max_wait: Duration::from_secs(30) };

    fn error(body: &str, asked: Option<u64>) -> ApiError {
        let mut error = ApiError::read(429, body);
        error.retry_after = asked.map(Duration::from_secs);
        error
    }

    /// How long the gate stays shut each time that what is sent after a pause meets the same again.
    async fn waits(error: &ApiError, times: usize, dice: f64) -> Vec<f64> {
        let gate = Gate::default();
        let mut waits = Vec::new();
        for _ in 0..times {
            let sent = Instant::now();
            gate.met(error, sent, PATIENCE, dice);
            gate.pass().await;
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
            gate.met(&error, sent, PATIENCE, 1.0);
        }
        assert_eq!(gate.until(), Some(Instant::now() + Duration::from_secs(1)));
        gate.answered(sent);
        assert!(gate.is_on_trial(), "that was sent before");
        gate.pass().await;
        let probe = Instant::now();
        gate.met(&error, probe, PATIENCE, 1.0);
        assert_eq!(gate.until(), Some(probe + Duration::from_secs(2)));
        gate.pass().await;
        gate.answered(Instant::now());
        assert!(!gate.is_on_trial());
        gate.met(&error, Instant::now(), PATIENCE, 1.0);
        assert_eq!(gate.until(), Some(Instant::now() + Duration::from_secs(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_made_longer_and_never_shorter() {
        let (gate, started) = (Gate::default(), Instant::now());
        gate.park(started + Duration::from_secs(7));
        gate.park(started + Duration::from_secs(3));
        gate.pass().await;
        assert_eq!(started.elapsed(), Duration::from_secs(7));
    }
}
