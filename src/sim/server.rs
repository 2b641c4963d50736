//! The simulator behind its endpoints: its state and its jobs. Main type: [`Server`], passed to the endpoints.

use std::ops::Deref;

use crate::sim::{
    batch::Jobs,
    config::SimConfig,
    state::{State, stats::SimStats},
};

/// The state and the jobs.
pub(crate) struct Server {
    state: State,
    pub(crate) jobs: Jobs,
}

impl Server {
    pub(crate) fn new(config: SimConfig) -> Self {
        Self { state: State::new(config), jobs: Jobs::default() }
    }

    /// The counts so far, with all jobs up to date.
    pub(crate) fn stats(&self) -> SimStats {
        self.jobs.settle(&self.state);
        self.state.stats.read()
    }
}

impl Deref for Server {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}
