//! The output of a reader: rows and bad lines. Main type: [`Entry`].

use std::{ops::ControlFlow, sync::Arc};

use crate::record::Value;

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its values, in the order of the schema.
    pub values: Vec<Value>,
    /// Its file, as returned by [`FileSet::paths`](crate::files::FileSet::paths).
    pub file: Arc<str>,
    /// Its first line, counted from 1; for Parquet, the row number.
    pub line: u64,
}

/// A line that cannot be read as a row. Reading continues after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// The file.
    pub file: Arc<str>,
    /// The line; 0 if the whole file is not read (a named pipe, a loop of links).
    pub line: u64,
    /// What was found, what was expected, and what to do.
    pub reason: String,
    /// The start of the line.
    pub raw: String,
}

/// A row or a bad line.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// A row.
    Row(Row),
    /// A bad line.
    Bad(BadLine),
}

/// The number of entries output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows.
    pub rows: u64,
    /// Bad lines.
    pub bad: u64,
}

/// The receiver of entries, up to a limit.
pub(super) struct Output<'a> {
    each: &'a mut dyn FnMut(Entry) -> ControlFlow<()>,
    max: u64,
    pub(super) counts: Counts,
}

impl<'a> Output<'a> {
    pub(super) fn new(each: &'a mut dyn FnMut(Entry) -> ControlFlow<()>, max: Option<u64>) -> Self {
        Self { each, max: max.unwrap_or(u64::MAX), counts: Counts::default() }
    }

    pub(super) fn row(&mut self, row: Row) -> ControlFlow<()> {
        self.room()?;
        self.counts.rows += 1;
        (self.each)(Entry::Row(row))?;
        self.room()
    }

    pub(super) fn bad(&mut self, bad: BadLine) -> ControlFlow<()> {
        self.room()?;
        self.counts.bad += 1;
        (self.each)(Entry::Bad(bad))?;
        self.room()
    }

    fn room(&self) -> ControlFlow<()> {
        match self.counts.rows + self.counts.bad < self.max {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    }
}

/// The most characters of a line shown in a message.
const SHOWN: usize = 120;

/// The start of a line for a message, with control characters replaced.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(4 * SHOWN)];
    let text = String::from_utf8_lossy(start);
    let line = text.trim_end_matches(['\r', '\n']);
    let mut shown: String =
        line.chars().take(SHOWN).map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect();
    if line.chars().count() > SHOWN || start.len() < bytes.len() {
        shown.push('…');
    }
    shown
}
