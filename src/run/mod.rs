//! A plan to rows: the only part that knows all the others.
//!
//! [`Pipeline`] is a compiled plan that can run; [`estimate`] predicts what a run would send, [`Jobs`] shows its
//! batch jobs. A run is set up in `context`, and `drive::wire` gives each stage the part it needs: `ask::calls`
//! for maps that call a model, `jobs::context` for batch jobs, `stages::context` for everything else. Knows
//! nothing about the terminal.

mod ask;
mod builder;
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

pub use builder::RunBuilder;
pub use error::RunError;
pub use jobs::view::{JobView, Jobs};
pub use money::estimate::{Asks, Estimate, StageEstimate, estimate};
pub use options::Options;
pub use pipeline::{LoadError, Pipeline};

pub use crate::request::mock::Answers;
