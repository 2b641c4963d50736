//! The display of a run in the terminal: live bars, periodic lines, JSON, the summary.
//!
//! It depends on events and shared base types only, not on stages, HTTP or tables. The output is
//! a pure function of the events so far (`state`) and of the window's size; only `bars`, `log` and
//! `reporter` touch a terminal or a file. Times come from the events, so that a replayed run looks
//! the same.

mod bars;
mod columns;
mod human;
mod lines;
mod live;
mod log;
mod mode;
mod rate;
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
