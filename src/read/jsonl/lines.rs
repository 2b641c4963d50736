//! The lines of a JSON Lines file. Main type: [`Lines`].

use std::sync::Arc;

use crate::files::{FileSet, Stamp};

use super::{
    super::{
        BadLine, Encoding, ReadError,
        buffer::{Buffer, LONGEST, Line},
        input::Input,
        row::excerpt,
    },
    line_error::LineError,
};

/// An open file, positioned at a line.
pub(super) struct Lines {
    buffer: Buffer<Input>,
    file: Arc<str>,
    /// The number of the line at the start of the window.
    line: u64,
    /// Its bytes; the next step leaves it.
    length: usize,
}

/// The next item.
pub(super) enum Step {
    /// A nonempty line.
    Line,
    Bad(BadLine),
    End,
}

impl Lines {
    pub(super) fn open(set: &FileSet, file: &Arc<str>) -> Result<Self, ReadError> {
        let input = Input::open(&set.locate(file), file, Encoding::Utf8)?;
        Ok(Self { buffer: Buffer::new(input), file: Arc::clone(file), line: 0, length: 0 })
    }

    pub(super) fn stamp(&self) -> Stamp {
        self.buffer.source().stamp
    }

    /// Bytes up to the end of the current line.
    pub(super) const fn used(&self) -> u64 {
        self.buffer.used() + self.length as u64
    }

    pub(super) const fn line(&self) -> u64 {
        self.line
    }

    /// Whether the file ends after the current line.
    pub(super) fn at_end(&mut self) -> Result<bool, ReadError> {
        self.leave();
        while self.buffer.window().is_empty() {
            if !self.buffer.more().map_err(|error| self.cannot(&error))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn advance(&mut self) -> Result<Step, ReadError> {
        loop {
            self.leave();
            let line = self.buffer.line(b'\n').map_err(|error| self.cannot(&error))?;
            match line {
                Line::None => return Ok(Step::End),
                Line::TooLong => {
                    self.line += 1;
                    let reason = format!("the line is longer than {} MB", LONGEST / (1024 * 1024));
                    let raw = excerpt(&self.buffer.window()[..1000]);
                    self.buffer.skip_line(b'\n').map_err(|error| self.cannot(&error))?;
                    let file = Arc::clone(&self.file);
                    return Ok(Step::Bad(BadLine { file, line: self.line, reason, raw }));
                }
                Line::Of(length) => {
                    self.line += 1;
                    self.length = length;
                    if !self.buffer.window()[..length].trim_ascii().is_empty() {
                        return Ok(Step::Line);
                    }
                }
            }
        }
    }

    /// The current line.
    pub(super) fn text(&self) -> Result<&str, LineError> {
        let bytes = &self.buffer.window()[..self.length];
        std::str::from_utf8(bytes).map(|text| text.trim_end_matches(['\n', '\r'])).map_err(|error| {
            let at = error.valid_up_to();
            let encoding = self.buffer.source().encoding.name();
            LineError::new(at, format!("the byte 0x{:02x} is not {encoding}", bytes[at]))
        })
    }

    /// The current line as a bad line.
    pub(super) fn bad(&self, fault: &LineError) -> BadLine {
        let bytes = &self.buffer.window()[..self.length];
        let reason = fault.with_position(&String::from_utf8_lossy(bytes));
        BadLine { file: Arc::clone(&self.file), line: self.line, reason, raw: excerpt(bytes) }
    }

    /// Checks at the end that the file has not changed.
    pub(super) fn finish(&self) -> Result<(), ReadError> {
        self.buffer.source().unchanged(&self.file)
    }

    fn leave(&mut self) {
        self.buffer.consume(std::mem::take(&mut self.length));
    }

    fn cannot(&self, error: &std::io::Error) -> ReadError {
        ReadError::reading(&self.file, self.buffer.source().kind, self.line, error)
    }
}
