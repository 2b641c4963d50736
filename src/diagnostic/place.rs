//! User-written texts, and places in them: [`Source`], [`Place`]. Every mistake has a place.

use std::{
    fmt,
    ops::Range,
    sync::{Arc, OnceLock},
};

/// A user-written text: the spec, a prompt, a schema.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Its path as typed by the user.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// Values that must not be shown, set once known.
    pub(super) secrets: OnceLock<Vec<String>>,
    /// The ranges of all secrets in the text.
    pub(super) places: OnceLock<Vec<Range<usize>>>,
}

/// A range of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The text.
    pub source: Arc<Source>,
    /// The byte range.
    pub span: Range<usize>,
}

/// The start of the character at a byte: positions from other parsers may be inside a character.
pub(crate) fn char_start(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

impl Place {
    /// The start of the file, for mistakes about the file as a whole.
    pub fn start_of(source: &Arc<Source>) -> Self {
        Self { source: Arc::clone(source), span: 0..0 }
    }

    /// Line and column, both from 1, columns in characters.
    pub fn line_column(&self) -> (usize, usize) {
        let before = &self.source.text[..char_start(&self.source.text, self.span.start)];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        (line, column)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_column();
        write!(f, "{}:{line}:{column}", self.source.name)
    }
}
