//! What the endpoints share.

use std::{
    collections::VecDeque,
    sync::Mutex,
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use serde_json::Value;

use super::{
    SimConfig,
    batch::Jobs,
    clock::Clock,
    files::Files,
    identity::identity,
    reply::Refusal,
    respond::Asked,
    stats::{SimStats, Stats},
};

pub(super) struct Server {
    pub(super) config: SimConfig,
    pub(super) clock: Clock,
    pub(super) stats: Stats,
    pub(super) files: Files,
    pub(super) jobs: Jobs,
    /// When the requests of the last second came.
    window: Mutex<VecDeque<Instant>>,
}

impl Server {
    pub(super) fn new(config: SimConfig) -> Self {
        Self {
            clock: Clock::new(config.speed),
            config,
            stats: Stats::default(),
            files: Files::default(),
            jobs: Jobs::default(),
            window: Mutex::default(),
        }
    }

    /// Takes a request in, its model in it.
    pub(super) fn ask(&self, endpoint: &str, request: &Value) -> Asked {
        let identity = identity(endpoint, request);
        Asked { identity, nth: self.stats.ask(identity) }
    }

    /// What it was asked, and what its jobs have come to.
    pub(super) fn stats(&self) -> SimStats {
        self.jobs.settle(self);
        self.stats.read()
    }

    /// The requests of the window that still counts.
    pub(super) fn used(&self) -> u64 {
        self.window.lock().map_or(0, |window| window.len()) as u64
    }

    /// Refuses what would be one request too many in the last second.
    pub(super) fn within_limit(&self) -> Result<(), Refusal> {
        let (Some(limit), Ok(mut window)) = (self.config.requests, self.window.lock()) else { return Ok(()) };
        let now = Instant::now();
        // A rate below one a second is counted over the time of one request.
        let span = Duration::from_secs(1).max(limit.period());
        while window.front().is_some_and(|first| now.duration_since(*first) >= span) {
            window.pop_front();
        }
        if window.len() as f64 >= (limit.per_second() * span.as_secs_f64()).max(1.0) {
            let message = "Rate limit exceeded";
            return Err(Refusal::object(StatusCode::TOO_MANY_REQUESTS, message, "rate_limited", "1300"));
        }
        window.push_back(now);
        Ok(())
    }
}
