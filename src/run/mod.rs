//! A plan to rows: the only part that knows all the others.
//!
//! [`Pipeline`] is a compiled plan that can run; [`estimate`] says what a run would call, [`Jobs`] shows its batch jobs.
//! A run is put together in `context`, and `drive::wire` gives each stage the part of it that the stage needs:
//! `ask::calls` for maps that call a model, `jobs::context` for batch jobs, `stages::context` for everything else.
//! Knows nothing of the terminal.

mod ask;
mod client;
mod context;
mod database;
mod drive;
mod error;
mod jobs;
mod money;
mod options;
mod pipeline;
mod progress;
mod stages;

pub use error::RunError;
pub use jobs::view::{JobView, Jobs};
pub use money::estimate::{Asks, Estimate, StageEstimate, estimate};
pub use options::Options;
pub use pipeline::Pipeline;

pub use crate::request::mock::Answers;
