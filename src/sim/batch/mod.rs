//! Batch jobs. Nothing runs: what a job has come to is worked out from the clock whenever somebody looks,
//! so that it is the same however often and however late that is.

mod job;
mod jobs;
mod line;
mod plan;
mod request;

pub(crate) use jobs::{Jobs, Wish};
pub(crate) use line::check_lines;
pub(crate) use request::{is_uuid, read};
