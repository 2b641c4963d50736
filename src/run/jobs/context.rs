//! A run's resources for the stages of batch jobs. Main type: [`JobContext`].

use std::sync::Arc;

use crate::run::{ask::calls::Calls, progress::events::Events};

/// A run's resources for the stages of batch jobs.
pub(crate) struct JobContext {
    pub(crate) calls: Arc<Calls>,
    pub(crate) events: Arc<Events>,
    /// The pipeline's name.
    pub(crate) pipeline: String,
    /// The stages that collect batch jobs, by name.
    pub(crate) batches: Vec<Arc<str>>,
    /// The account whose jobs this run manages: see [`account`](crate::mistral::account).
    pub(crate) account: String,
    /// How much faster than wall-clock time jobs run; 1 except in a simulator.
    pub(crate) speed: f64,
}
