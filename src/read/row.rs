//! What a reader gives: rows, and the lines that are none. Main type: [`Entry`].

use std::{ops::ControlFlow, sync::Arc};

use crate::record::Value;

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its values, in the order of the schema.
    pub values: Vec<Value>,
    /// The file that it is in, as [`FileSet::paths`](crate::files::FileSet::paths) gives it.
    pub file: Arc<str>,
    /// The line that it starts at, counted from 1; of Parquet, the number of the row.
    pub line: u64,
}

/// A line that is no row, while the others are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// The file.
    pub file: Arc<str>,
    /// The line; 0 where the whole file is not read (a named pipe, a loop of links).
    pub line: u64,
    /// What was found, what was expected, what to do.
    pub reason: String,
    /// The start of the line.
    pub raw: String,
}

/// A row, or a line that gives none.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// A row.
    Row(Row),
    /// A line that is no row.
    Bad(BadLine),
}

/// How many entries were given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows.
    pub rows: u64,
    /// Bad lines.
    pub bad: u64,
}

/// Where entries go, up to the limit.
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

/// The most characters of a line that a message shows.
const SHOWN: usize = 120;

/// The start of a line for a message, what cannot be shown replaced.
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
