//! What must survive: the steps of every request and of every job, and the one function that says which
//! step may follow which.
//!
//! The journal is a list of steps, only ever added to. A state is what the steps so far come to: while
//! a run continues and when it is taken up again, [`RequestState::next`] and [`JobState::next`] decide.

mod identity;
mod job;
mod request;

pub use identity::RequestId;
pub use job::{JobState, JobStep};
pub use request::{Answer, Entry, Generation, History, Refusal, RequestState, Step};

/// A step that cannot follow on what is there: a mistake of this program, or a damaged ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the ledger cannot go from `{from}` to `{step}`: this is a mistake in etl, please report it")]
pub struct IllegalTransition {
    /// The state.
    pub from: String,
    /// The step.
    pub step: String,
}
