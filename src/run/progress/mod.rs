//! Counts of a run, and the log of records read by the sources.
//!
//! Stages update the counts, `tick` in `run` makes events of them. Knows nothing about what it counts.

pub(crate) mod counted;
pub(crate) mod events;
pub(crate) mod meter;
pub(crate) mod read_log;
