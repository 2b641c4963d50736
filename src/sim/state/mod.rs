//! The simulator's state between requests: requests, answers, files, limits, counts. Main type: [`State`]. Knows
//! nothing about HTTP or how answers are generated.

pub(crate) mod clock;
pub(crate) mod files;
pub(crate) mod identity;
pub(crate) mod limits;
pub(crate) mod registry;
pub(crate) mod stats;

use std::{collections::HashMap, sync::Mutex, time::Instant};

use crate::sim::{
    config::SimConfig,
    state::{clock::Clock, files::Files, limits::Limits, registry::Registry, stats::Stats},
};

/// Shared by endpoints and jobs.
pub(crate) struct State {
    pub(crate) config: SimConfig,
    pub(crate) clock: Clock,
    pub(crate) stats: Stats,
    pub(crate) files: Files,
    pub(crate) registry: Registry,
    pub(crate) limits: Limits,
    pub(crate) started: Instant,
    /// How often each request was sent, whatever its outcome.
    attempts: Mutex<HashMap<[u8; 32], u64>>,
}

impl State {
    pub(crate) fn new(config: SimConfig) -> Self {
        let started = Instant::now();
        Self {
            clock: Clock::new(config.speed),
            limits: Limits::new(&config, started),
            config,
            stats: Stats::default(),
            files: Files::default(),
            registry: Registry::default(),
            started,
            attempts: Mutex::default(),
        }
    }

    /// How often this was sent before; counts it once more.
    pub(crate) fn attempt(&self, key: [u8; 32]) -> u64 {
        let Ok(mut attempts) = self.attempts.lock() else { return 0 };
        let count = attempts.entry(key).or_insert(0);
        *count += 1;
        *count - 1
    }
}
