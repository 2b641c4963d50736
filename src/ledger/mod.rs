//! The durable steps of every request and every job, and their state machines.
//!
//! The journal is an append-only list of steps. A state is the result of the steps so far: both during a run
//! and when it is resumed, [`RequestState::next`] and [`JobState::next`] decide which steps are legal.

mod identity;
mod job;
mod request;

pub use identity::RequestId;
pub use job::{JobState, JobStep};
pub use request::{Answer, Entry, Generation, History, Refusal, RequestState, Step};

/// An illegal step for the current state: a bug in this program, or a damaged ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the ledger cannot go from `{from}` to `{step}`: this is a bug in etl, please report it")]
pub struct IllegalTransition {
    /// The state.
    pub from: String,
    /// The step.
    pub step: String,
}
