//! What the endpoints share.

use std::{collections::HashMap, sync::Mutex, time::Instant};

use super::{
    SimConfig,
    batch::Jobs,
    clock::Clock,
    files::Files,
    limits::Limits,
    registry::Registry,
    stats::{SimStats, Stats},
};

pub(super) struct Server {
    pub(super) config: SimConfig,
    pub(super) clock: Clock,
    pub(super) stats: Stats,
    pub(super) files: Files,
    pub(super) jobs: Jobs,
    pub(super) registry: Registry,
    pub(super) limits: Limits,
    pub(super) started: Instant,
    /// How often each request came, whatever became of it.
    attempts: Mutex<HashMap<[u8; 32], u64>>,
}

impl Server {
    pub(super) fn new(config: SimConfig) -> Self {
        let started = Instant::now();
        Self {
            clock: Clock::new(config.speed),
            limits: Limits::new(&config, started),
            config,
            stats: Stats::default(),
            files: Files::default(),
            jobs: Jobs::default(),
            registry: Registry::default(),
            started,
            attempts: Mutex::default(),
        }
    }

    /// How often this came before; from now on once more.
    pub(super) fn attempt(&self, key: [u8; 32]) -> u64 {
        let Ok(mut attempts) = self.attempts.lock() else { return 0 };
        let count = attempts.entry(key).or_insert(0);
        *count += 1;
        *count - 1
    }

    /// What it was asked, and what its jobs have come to.
    pub(super) fn stats(&self) -> SimStats {
        self.jobs.settle(self);
        self.stats.read()
    }
}
