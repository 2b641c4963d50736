//! The records of a CSV file. Main type: [`Records`].

use std::{borrow::Cow, io, sync::Arc};

use memchr::{memchr, memchr_iter};

use crate::files::{FileSet, Stamp};

use super::{
    super::{
        BadLine, Csv, ReadError,
        buffer::{Buffer, LONGEST},
        input::Input,
        row::excerpt,
    },
    scan::{Cell, Dialect, Scan},
};

/// An open file, positioned at a record.
pub(super) struct Records {
    pub(super) buffer: Buffer<Input>,
    pub(super) file: Arc<str>,
    format: Csv,
    pub(super) dialect: Dialect,
    pub(super) names: Vec<Arc<str>>,
    cells: Vec<Cell>,
    /// Where the current record starts, and its lines and bytes; the next step leaves it.
    pub(super) line: u64,
    lines: u64,
    length: usize,
}

/// The next item.
pub(super) enum Step {
    Record,
    Bad(BadLine),
    End,
}

/// A record with the right number of fields.
pub(super) struct Record<'a> {
    line: &'a str,
    cells: &'a [Cell],
    format: &'a Csv,
}

impl Record<'_> {
    /// The text of a field; `None` for NULL.
    pub(super) fn text(&self, cell: usize) -> Option<Cow<'_, str>> {
        let Cell { start, end, quoted, doubled } = *self.cells.get(cell)?;
        let text = unquoted(&self.line[start..end], doubled.then_some(self.format.quote).flatten());
        let is_null = (text.is_empty() && !quoted) || self.format.nulls.iter().any(|null| *null == text);
        (!is_null).then_some(text)
    }
}

/// A field with doubled quotes unescaped.
pub(super) fn unquoted(text: &str, quote: Option<u8>) -> Cow<'_, str> {
    match quote.map(char::from) {
        None => Cow::Borrowed(text),
        Some(quote) => Cow::Owned(text.replace(&format!("{quote}{quote}"), &quote.to_string())),
    }
}

impl Records {
    /// Opens a file. Its header must be read first.
    pub(super) fn open(set: &FileSet, file: &Arc<str>, format: &Csv) -> Result<Self, ReadError> {
        let input = Input::open(&set.locate(file), file, format.encoding)?;
        let dialect = Dialect { delimiter: b',', quote: format.quote, terminator: b'\n' };
        Ok(Self {
            buffer: Buffer::new(input),
            file: Arc::clone(file),
            format: format.clone(),
            dialect,
            names: Vec::new(),
            cells: Vec::new(),
            line: 1,
            lines: 0,
            length: 0,
        })
    }

    pub(super) fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    pub(super) const fn format(&self) -> &Csv {
        &self.format
    }

    pub(super) const fn delimiter(&self) -> u8 {
        self.dialect.delimiter
    }

    pub(super) fn stamp(&self) -> Stamp {
        self.buffer.source().stamp
    }

    /// Bytes up to the end of the current record.
    pub(super) const fn used(&self) -> u64 {
        self.buffer.used() + self.length as u64
    }

    /// The first line of the current record.
    pub(super) const fn line(&self) -> u64 {
        self.line
    }

    /// Whether the file ends after the current record.
    pub(super) fn at_end(&mut self) -> Result<bool, ReadError> {
        self.leave();
        while self.buffer.window().is_empty() {
            if !self.more()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Moves to the next record, past comments and (with several columns) empty lines.
    pub(super) fn advance(&mut self) -> Result<Step, ReadError> {
        loop {
            if self.at_end()? {
                return Ok(Step::End);
            }
            if self.skip_comment()? {
                continue;
            }
            let last = self.buffer.is_done() || self.buffer.window().len() > LONGEST;
            match self.dialect.scan(self.buffer.window(), last, &mut self.cells) {
                Scan::More => {
                    self.more()?;
                }
                // The end of the window is not the end of the record.
                Scan::Whole { bytes, .. } if !self.buffer.is_done() && bytes > LONGEST => {
                    return self.too_long().map(Step::Bad);
                }
                Scan::Whole { bytes, lines } => {
                    (self.length, self.lines) = (bytes, lines);
                    let is_empty = matches!(&*self.cells, [cell] if !cell.quoted && cell.start == cell.end);
                    if !is_empty || self.names.len() == 1 {
                        return Ok(Step::Record);
                    }
                }
                Scan::Broken { open, closed } => return Ok(Step::Bad(self.broken(open, closed))),
            }
        }
    }

    /// The current record.
    pub(super) fn record(&self) -> Result<Record<'_>, BadLine> {
        let bytes = &self.buffer.window()[..self.length];
        let line = match std::str::from_utf8(bytes) {
            Ok(line) => line,
            Err(error) => return Err(self.bad(bytes, self.undecodable(bytes, error.valid_up_to()))),
        };
        let record = Record { line, cells: &self.cells, format: &self.format };
        let (has, wanted) = (self.cells.len(), self.names.len());
        if has == wanted {
            return Ok(record);
        }
        let over = match self.lines {
            1 => String::new(),
            lines => format!(" (it ends in line {})", self.line + lines - 1),
        };
        let plural = if has == 1 { "" } else { "s" };
        let hint = match has > wanted {
            true => "; put a field with a separator in it into quotes",
            false => "",
        };
        let reason = format!("the line has {has} field{plural}, and there are {wanted} columns{over}{hint}");
        Err(self.bad_record(&record, reason))
    }

    /// A record as a bad line.
    pub(super) fn bad_record(&self, record: &Record<'_>, reason: String) -> BadLine {
        self.bad(record.line.as_bytes(), reason)
    }

    /// Checks at the end that the file has not changed.
    pub(super) fn finish(&self) -> Result<(), ReadError> {
        self.buffer.source().unchanged(&self.file)
    }

    pub(super) fn undecodable(&self, bytes: &[u8], at: usize) -> String {
        let encoding = self.buffer.source().encoding;
        let line = self.line + memchr_iter(self.dialect.terminator, &bytes[..at]).count() as u64;
        let more = match encoding {
            super::super::Encoding::Utf8 => "; if the file is Latin-1, write `csv: { encoding: latin-1 }`",
            _ => "",
        };
        format!("the byte 0x{:02x} in line {line} is not {}{more}", bytes[at], encoding.name())
    }

    pub(super) fn bad(&self, bytes: &[u8], reason: String) -> BadLine {
        BadLine { file: Arc::clone(&self.file), line: self.line, reason, raw: excerpt(bytes) }
    }

    /// An unclosed quoted field: its line is bad, and reading resumes at the next line.
    fn broken(&mut self, open: usize, closed: Option<usize>) -> BadLine {
        let terminator = self.dialect.terminator;
        let window = self.buffer.window();
        let start = window[..open].iter().rposition(|b| *b == terminator).map_or(0, |at| at + 1);
        let end = memchr(terminator, &window[open..]).map_or(window.len(), |at| open + at + 1);
        let column = open - start + 1;
        let reason = match closed {
            Some(closed) if closed < end => format!(
                "the quoted field at byte {column} is followed by more text; write a quote in a field twice \
                 (`\"\"`)"
            ),
            _ => format!("the quote at byte {column} is not closed; write a quote in a field twice (`\"\"`)"),
        };
        let before = memchr_iter(terminator, &window[..open]).count() as u64;
        let mut bad = self.bad(&window[start..end], reason);
        bad.line += before;
        (self.length, self.lines) = (end, before + 1);
        self.cells.clear();
        bad
    }

    fn too_long(&mut self) -> Result<BadLine, ReadError> {
        let reason = format!("the line is longer than {} MB", LONGEST / (1024 * 1024));
        let bad = self.bad(&self.buffer.window()[..1000], reason);
        self.skip_line()?;
        Ok(bad)
    }

    /// Moves past a line, whatever its content.
    pub(super) fn skip_line(&mut self) -> Result<(), ReadError> {
        self.line += 1;
        let skipped = self.buffer.skip_line(self.dialect.terminator);
        skipped.map_err(|error| self.cannot(&error))
    }

    /// Moves past a comment.
    pub(super) fn skip_comment(&mut self) -> Result<bool, ReadError> {
        let Some(comment) = self.format.comment.clone().filter(|comment| !comment.is_empty()) else {
            return Ok(false);
        };
        while self.buffer.window().len() < comment.len() && self.more()? {}
        let is_comment = self.buffer.window().starts_with(comment.as_bytes());
        if is_comment {
            self.skip_line()?;
        }
        Ok(is_comment)
    }

    pub(super) fn more(&mut self) -> Result<bool, ReadError> {
        self.buffer.more().map_err(|error| self.cannot(&error))
    }

    /// Splits the first record, which must be completely in the window: its fields, bytes and lines, or the
    /// position of an unclosed quote.
    pub(super) fn header_cells(&mut self) -> Result<(&[Cell], usize, u64), usize> {
        match self.dialect.scan(self.buffer.window(), true, &mut self.cells) {
            Scan::Whole { bytes, lines } => Ok((&self.cells, bytes, lines)),
            Scan::Broken { open, .. } => Err(open),
            Scan::More => Ok((&self.cells, 0, 0)),
        }
    }

    pub(super) fn leave_header(&mut self, bytes: usize, lines: u64) {
        self.buffer.consume(bytes);
        self.line += lines;
    }

    fn leave(&mut self) {
        self.buffer.consume(std::mem::take(&mut self.length));
        self.line += std::mem::take(&mut self.lines);
    }

    fn cannot(&self, error: &io::Error) -> ReadError {
        ReadError::reading(&self.file, self.buffer.source().kind, self.line.saturating_sub(1), error)
    }
}
