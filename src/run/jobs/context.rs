//! What the stages of batch jobs have of their run. Main type: [`JobContext`].

use std::sync::Arc;

use crate::run::{ask::calls::Calls, progress::events::Events};

/// What the stages of batch jobs have of their run.
pub(crate) struct JobContext {
    pub(crate) calls: Arc<Calls>,
    pub(crate) events: Arc<Events>,
    /// The pipeline's name.
    pub(crate) pipeline: String,
    /// The stages that collect batch jobs, by name.
    pub(crate) batches: Vec<Arc<str>>,
    /// Whose jobs are this run's to look after: see [`account`](crate::mistral::account).
    pub(crate) account: String,
    /// How much faster than on the wall time passes for jobs: only in a simulator is it not 1.
    pub(crate) speed: f64,
}
