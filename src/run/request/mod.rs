//! The requests of a map that calls a model: what is sent about a record, and what is made of the answer.

pub(crate) mod attachment;
pub(crate) mod body;
pub(crate) mod cost;
pub(crate) mod expectation;
pub(crate) mod expressions;
pub(crate) mod mocks;
pub(crate) mod question;
pub(crate) mod settings;
