//! Dataflows over documents: a YAML file becomes a graph of streams, and the graph becomes rows.

pub mod event;
pub mod mistral;
pub mod record;
pub mod units;
