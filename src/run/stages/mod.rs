//! The stages that call no model, as streams of records: sources, transformations, gathers, waves, sinks.
//!
//! One file per kind, each with a function from a node of the plan to a stream, called by `drive::wire`. Knows
//! nothing about requests, answers and jobs.

pub(crate) mod context;
pub(crate) mod gather;
pub(crate) mod sink;
pub(crate) mod source;
pub(crate) mod transform;
pub(crate) mod wave;
