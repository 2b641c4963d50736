//! The service's time, which may run faster than the wall clock.

use std::time::{Duration, Instant};

/// Counts from the simulator's start.
pub(crate) struct Clock {
    start: Instant,
    started_at: jiff::Timestamp,
    speed: f64,
}

impl Clock {
    pub(crate) fn new(speed: f64) -> Self {
        // A speed of 0 would never end anything.
        Self { start: Instant::now(), started_at: jiff::Timestamp::now(), speed: speed.max(1e-3) }
    }

    pub(crate) fn now(&self) -> Duration {
        Duration::try_from_secs_f64(self.start.elapsed().as_secs_f64() * self.speed).unwrap_or(Duration::MAX)
    }

    /// Wall-clock seconds since 1970 for a service time: a client compares them with its own clock.
    pub(crate) fn seconds(&self, at: Duration) -> i64 {
        self.started_at.as_second() + (at.as_secs_f64() / self.speed) as i64
    }
}
