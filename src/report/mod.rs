//! What a person at the terminal sees of a run: live bars, a line now and then, JSON, the summary.
//!
//! The room knows events and the words that all rooms share, and nothing of stages, HTTP or
//! tables. Everything shown is a pure function of the events so far (`state`) and of the
//! window's size; only `bars`, `log` and `reporter` touch a terminal or a file. Time is
//! the events' own, so that a recorded run looks the same when it is reported again.

mod bars;
mod columns;
mod human;
mod lines;
mod live;
mod log;
mod meter;
mod mode;
mod reporter;
mod state;
mod summary;
mod text;

#[cfg(test)]
mod fixture;

pub use log::{LogLine, LogWriter};
pub use mode::{Choice, Mode};
pub use reporter::Reporter;
pub(crate) use text::{Align, clean, pad, width};
