//! Log lines above the bars: a writer for `tracing_subscriber`.

use std::io::{self, Write};

use indicatif::MultiProgress;
use tracing_subscriber::fmt::MakeWriter;

use crate::escape::escaped;

/// Writes log lines to stderr, above the bars if there are any. Lines must not be coloured: escape codes are
/// printed as text.
///
/// ```
/// let reporter = etl::report::Reporter::new(etl::report::Mode::Lines, Box::new(std::io::stderr()));
/// let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(reporter.log_writer()).finish();
/// # drop(subscriber);
/// ```
#[derive(Debug, Clone)]
pub struct LogWriter {
    bars: MultiProgress,
}

impl LogWriter {
    pub(crate) const fn new(bars: MultiProgress) -> Self {
        Self { bars }
    }

    fn print(&self, text: &str) -> io::Result<()> {
        let text = escaped(text);
        // Hidden bars swallow what is printed above them.
        if self.bars.is_hidden() {
            return io::stderr().write_all(text.as_bytes());
        }
        // The bars do not count tabs as columns.
        self.bars.println(text.trim_end_matches('\n').replace('\t', "    "))
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = LogLine<'a>;

    fn make_writer(&'a self) -> LogLine<'a> {
        LogLine { writer: self, text: Vec::new() }
    }
}

/// A log message, printed as a whole when it is dropped.
#[derive(Debug)]
pub struct LogLine<'a> {
    writer: &'a LogWriter,
    text: Vec<u8>,
}

impl Write for LogLine<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.text.is_empty() {
            return Ok(());
        }
        let text = std::mem::take(&mut self.text);
        self.writer.print(&String::from_utf8_lossy(&text))
    }
}

impl Drop for LogLine<'_> {
    fn drop(&mut self) {
        // A failed log write cannot be reported anywhere.
        let _ = self.flush();
    }
}
