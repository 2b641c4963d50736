//! The items for programs that run pipelines: `use etl::prelude::*;`.

pub use crate::{
    diagnostic::Mistakes,
    event::{Event, EventKind, RunEnd},
    run::{LoadError, Options, Pipeline, RunBuilder, RunError},
    sim::{Sim, SimConfig, SimStats},
};

/// Stops a run gracefully: see [`RunBuilder::stop`].
pub use tokio_util::sync::CancellationToken;
