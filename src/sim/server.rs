//! The simulator behind its endpoints: what it keeps, and its jobs. Main type: [`Server`], which the endpoints get.

use std::ops::Deref;

use crate::sim::{
    batch::Jobs,
    config::SimConfig,
    state::{State, stats::SimStats},
};

/// What it keeps, and its jobs.
pub(crate) struct Server {
    state: State,
    pub(crate) jobs: Jobs,
}

impl Server {
    pub(crate) fn new(config: SimConfig) -> Self {
        Self { state: State::new(config), jobs: Jobs::default() }
    }

    /// What it was asked, and what its jobs have come to.
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
