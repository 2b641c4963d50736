//! The requests of a map that calls a model: what is sent about a record, and what is made of the answer.
//!
//! A [`question::Question`] is made from a node of the plan and a [`setup::Setup`]. Its [`write::Writer`] writes bodies
//! and gives them their identity and their highest cost; its [`verdict::Judge`] says whether an answer counts and how a
//! request continues. Knows the plan and Mistral's API, and nothing of streams, of a run, or of the store: everything
//! here can be tried without a run.

pub(crate) mod attachment;
pub(crate) mod cost;
pub(crate) mod error;
pub(crate) mod expectation;
pub(crate) mod frame;
mod media_type;
pub(crate) mod mock;
pub(crate) mod question;
pub(crate) mod setup;
pub(crate) mod verdict;
pub(crate) mod write;
pub(crate) mod written;
