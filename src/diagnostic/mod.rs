//! Mistakes in what people write, each with its place.
//!
//! The closed list of everything that can be wrong with a spec, its prompts and its schemas. A
//! mistake is facts; its words are written here, once. Readers collect them and continue, so that
//! a person hears of all of them in one go.

mod advice;
mod excerpt;
mod fault;
mod mistakes;
mod secrets;
mod warning;
mod words;

use std::{
    fmt,
    ops::Range,
    sync::{Arc, OnceLock},
};

use crate::shown::visible;

pub use fault::Fault;
pub use mistakes::Mistakes;
pub(crate) use secrets::is_secret;
pub use warning::Warning;
pub use words::{meant, nearest};

/// A text that a person wrote: the spec, a prompt, a schema.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Its path as the person would type it.
    pub name: String,
    /// All of it.
    pub text: String,
    /// Values that must not be shown, once they are known.
    secrets: OnceLock<Vec<String>>,
    /// Where in the text they and other keys stand.
    places: OnceLock<Vec<Range<usize>>>,
}

/// A stretch of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The text.
    pub source: Arc<Source>,
    /// Bytes within it.
    pub span: Range<usize>,
}

/// The start of the character that a byte belongs to: readers of other makes count into the middle of one.
pub(crate) fn char_start(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

impl Place {
    /// The whole of the first line: for mistakes about a file as such.
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

/// One mistake and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Mistake {
    /// What is wrong.
    pub fault: Fault,
    /// Where.
    pub place: Place,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&visible(&self.place.source.masked(&self.fault.to_string())))
    }
}

impl std::error::Error for Mistake {}
