//! What a program that runs pipelines needs: `use etl::prelude::*;`.

pub use crate::{
    diagnostic::Mistakes,
    event::{Event, EventKind, RunEnd},
    run::{LoadError, Options, Pipeline, RunBuilder, RunError},
    sim::{Sim, SimConfig, SimStats},
};

/// Ends a run in order: see [`RunBuilder::stop`].
pub use tokio_util::sync::CancellationToken;
