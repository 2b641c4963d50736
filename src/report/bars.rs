//! The live lines on the screen: one bar of many lines, redrawn with each event.
//!
//! One bar rather than one per stage: an event changes all lines, and they are drawn together.
//! `indicatif` draws at most twenty times a second, and moves log lines above the bars.

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    live::{self, Window},
    log::LogWriter,
    state::State,
    text::Paint,
};

/// Where to draw.
pub(crate) struct Bars {
    screen: MultiProgress,
    block: ProgressBar,
    window: Box<dyn Fn() -> Window + Send>,
}

impl Bars {
    /// Draws on stderr, with its width at the time of each event.
    pub(crate) fn stderr() -> Self {
        let term = Term::stderr();
        let window = move || {
            let (height, width) = term.size();
            Window { width: width.into(), height: height.into() }
        };
        Self::new(ProgressDrawTarget::stderr(), Box::new(window))
    }

    /// Draws nothing; log lines go to stderr unchanged.
    pub(crate) fn hidden() -> Self {
        Self::new(ProgressDrawTarget::hidden(), Box::new(|| Window { width: 0, height: 0 }))
    }

    pub(crate) fn new(target: ProgressDrawTarget, window: Box<dyn Fn() -> Window + Send>) -> Self {
        let screen = MultiProgress::with_draw_target(target);
        let block = screen.add(ProgressBar::no_length());
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            block.set_style(style);
        }
        Self { screen, block, window }
    }

    /// Draws the state.
    pub(crate) fn draw(&self, state: &State, paint: Paint) {
        if !self.screen.is_hidden() {
            self.block.set_message(live::lines(state, (self.window)(), paint).join("\n"));
        }
    }

    /// Removes the lines from the screen for good: the summary repeats the results.
    pub(crate) fn clear(&self) {
        self.block.finish_and_clear();
        self.screen.set_draw_target(ProgressDrawTarget::hidden());
    }

    /// A log writer that prints above these bars.
    pub(crate) fn log_writer(&self) -> LogWriter {
        LogWriter::new(self.screen.clone())
    }
}
