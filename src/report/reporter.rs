//! Shows a run as its events come in.

use std::io::{self, Write};

use super::{
    bars::Bars,
    lines::{self, Pace},
    log::LogWriter,
    mode::Mode,
    state::State,
    summary,
    text::Paint,
};
use crate::{
    escape::escaped_json,
    event::{Event, EventKind, RunEnd},
};

/// Consumes a run's events and shows them; needs no async runtime, and is as fast as its writer.
///
/// ```no_run
/// use etl::report::{Choice, Reporter};
/// # fn events() -> Vec<etl::event::Event> { Vec::new() }
///
/// let mut reporter = Reporter::for_terminal(Choice::Auto.resolve());
/// for event in events() {
///     reporter.on(&event);
/// }
/// reporter.finish()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Reporter {
    mode: Mode,
    quiet: bool,
    paint: Paint,
    out: Box<dyn Write + Send>,
    bars: Bars,
    pace: Pace,
    state: State,
    failed: Option<io::Error>,
}

impl Reporter {
    /// Writes lines, JSON and the summary to `out`, without colour. Bars always go to stderr.
    pub fn new(mode: Mode, out: Box<dyn Write + Send>) -> Self {
        let bars = if mode == Mode::Bars { Bars::stderr() } else { Bars::hidden() };
        Self::with_bars(mode, out, bars)
    }

    /// Writes JSON to stdout and all else to stderr, coloured if that is a terminal and neither
    /// `NO_COLOR` nor `CLICOLOR=0` forbids it.
    pub fn for_terminal(mode: Mode) -> Self {
        match mode {
            Mode::Json => Self::new(mode, Box::new(io::stdout())),
            Mode::Bars | Mode::Lines | Mode::None => {
                Self::new(mode, Box::new(io::stderr())).color(console::colors_enabled_stderr())
            }
        }
    }

    fn with_bars(mode: Mode, out: Box<dyn Write + Send>, bars: Bars) -> Self {
        let (pace, state) = (Pace::default(), State::default());
        Self { mode, quiet: false, paint: Paint::default(), out, bars, pace, state, failed: None }
    }

    /// Shows no progress, and at the end only failures. JSON is unchanged, since it is for programs.
    #[must_use]
    pub const fn quiet(mut self, quiet: bool) -> Self {
        self.quiet = quiet;
        self
    }

    /// Whether bars and summary are coloured.
    #[must_use]
    pub const fn color(mut self, color: bool) -> Self {
        self.paint = Paint { color };
        self
    }

    /// The writer for log lines while this reporter is in use: above its bars, or to stderr.
    pub fn log_writer(&self) -> LogWriter {
        self.bars.log_writer()
    }

    /// Applies an event and shows the change.
    ///
    /// Never fails, since a broken pipe must not end a run: after the first error nothing more
    /// is written, and [`finish`](Self::finish) returns the error.
    pub fn on(&mut self, event: &Event) {
        if self.failed.is_some() {
            return;
        }
        let shown = match self.mode {
            Mode::Json => self.json(event),
            Mode::None => self.reason(event),
            Mode::Bars | Mode::Lines => self.show(event),
        };
        self.failed = shown.err();
    }

    /// Removes the bars from the screen, if the run has not ended.
    ///
    /// # Errors
    ///
    /// The first write error.
    pub fn finish(mut self) -> io::Result<()> {
        self.bars.clear();
        self.failed.map_or_else(|| self.out.flush(), Err)
    }

    fn json(&mut self, event: &Event) -> io::Result<()> {
        let line = serde_json::to_string(event)?;
        self.write(&format!("{}\n", escaped_json(&line)))
    }

    /// The reason why a run could not be completed, shown in every mode.
    fn reason(&mut self, event: &Event) -> io::Result<()> {
        self.state.apply(event);
        match &event.kind {
            EventKind::RunEnded { end: RunEnd::Fatal(_) | RunEnd::OutOfMoney(_), .. } => {
                self.write(&summary::troubles(&self.state, self.paint))
            }
            _ => Ok(()),
        }
    }

    fn show(&mut self, event: &Event) -> io::Result<()> {
        self.state.apply(event);
        match &event.kind {
            EventKind::RunEnded { .. } => self.end(),
            _ if self.quiet => Ok(()),
            EventKind::RunStarted { .. } => {
                self.pace = Pace::default();
                self.pace.is_due(event.at);
                let line = lines::started(&self.state);
                self.print(line)?;
                self.draw();
                Ok(())
            }
            _ if self.mode == Mode::Bars => {
                self.draw();
                Ok(())
            }
            EventKind::Progress(_) if self.pace.is_due(event.at) => {
                let line = lines::progress(&self.state);
                self.print(Some(line))
            }
            EventKind::WaveClosed { stage, ok, failed, since } => {
                let line = lines::wave_closed(&self.state, *stage, [*ok, *failed], *since);
                self.print(line)
            }
            EventKind::JobChanged { stage, job, status, requests, completed, failed } => {
                let line = lines::job(&self.state, *stage, job, status, [*requests, *completed, *failed]);
                self.print(line)
            }
            EventKind::UnusedAnswers { stage, keys, other } => {
                self.print(Some(lines::unused(stage, keys, other.as_deref())))
            }
            EventKind::Interrupted { in_flight } => self.print(Some(lines::interrupted(*in_flight))),
            EventKind::Progress(_) | EventKind::StageEnded { .. } => Ok(()),
        }
    }

    fn draw(&self) {
        if self.mode == Mode::Bars {
            self.bars.draw(&self.state, self.paint);
        }
    }

    fn end(&mut self) -> io::Result<()> {
        self.bars.clear();
        if self.quiet {
            return self.write(&summary::troubles(&self.state, self.paint));
        }
        // A blank line separates it from the lines above; cleared bars leave only the first line.
        self.write(&format!("\n{}", summary::summary(&self.state, self.paint)))
    }

    fn print(&mut self, line: Option<String>) -> io::Result<()> {
        line.map_or(Ok(()), |line| self.write(&format!("{line}\n")))
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;
