//! The service's time, which may pass faster than that of the clock on the wall.

use std::time::{Duration, Instant};

/// Counts from the start of the simulator.
pub(crate) struct Clock {
    start: Instant,
    started_at: jiff::Timestamp,
    speed: f64,
}

impl Clock {
    pub(crate) fn new(speed: f64) -> Self {
        // Time has to pass for anything to end.
        Self { start: Instant::now(), started_at: jiff::Timestamp::now(), speed: speed.max(1e-3) }
    }

    pub(crate) fn now(&self) -> Duration {
        Duration::try_from_secs_f64(self.start.elapsed().as_secs_f64() * self.speed).unwrap_or(Duration::MAX)
    }

    /// Seconds since 1970 on the wall when the service's time was `at`: a client compares it with its own clock.
    pub(crate) fn seconds(&self, at: Duration) -> i64 {
        self.started_at.as_second() + (at.as_secs_f64() / self.speed) as i64
    }
}
