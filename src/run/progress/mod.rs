//! Counts of what happens in a run, and which records the sources have read.
//!
//! Stages add to the counts, `tick` in `run` makes events of them. Knows nothing of what it counts.

pub(crate) mod counted;
pub(crate) mod events;
pub(crate) mod meter;
pub(crate) mod read_log;
