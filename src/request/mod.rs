//! The requests of a map that calls a model: how they are written, and how answers are judged.
//!
//! A [`model_map::ModelMap`] is made from a node of the plan and a [`setup::Setup`]. Its [`write::Writer`] writes
//! bodies and determines their identity and maximum cost; its [`verdict::Judge`] decides whether an answer counts
//! and how a request continues. Knows the plan and Mistral's API, but not streams, runs or the store: everything
//! here can be tested without a run.

pub(crate) mod attachment;
pub(crate) mod cost;
pub(crate) mod error;
pub(crate) mod expectation;
pub(crate) mod frame;
mod media_type;
pub(crate) mod mock;
pub(crate) mod model_map;
pub(crate) mod setup;
pub(crate) mod verdict;
pub(crate) mod write;
pub(crate) mod written;
