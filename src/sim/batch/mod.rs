//! Batch jobs. Nothing runs in the background: the state of a job is computed from the clock on each poll, so
//! that it does not depend on how often and how late it is polled.

mod job;
mod jobs;
mod line;
mod plan;
mod request;

pub(crate) use jobs::{Jobs, Wish};
pub(crate) use line::check_lines;
pub(crate) use request::{is_uuid, read};
