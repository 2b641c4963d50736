//! A mistake prepared for drawing: [`Excerpt`] has its texts and the lines around its place, without secrets and
//! control characters. `Mistakes::render` draws it.

use std::{fmt, ops::Range};

use miette::{
    Diagnostic, LabeledSpan, MietteError, MietteSpanContents, Severity, SourceCode, SourceSpan, SpanContents,
};

use super::{fault::Fault, mistake::Mistake, place::char_start};
use crate::escape::escaped;

/// Lines kept before and after the place, more than are drawn.
const AROUND: usize = 2;

#[derive(Debug)]
pub(super) struct Excerpt {
    headline: String,
    label: String,
    help: Option<String>,
    severity: Severity,
    name: String,
    /// The lines around the place, as shown.
    lines: String,
    /// The number of lines before them in the file.
    first_line: usize,
    /// Bytes within `lines`.
    span: Range<usize>,
    /// The first of two duplicates, if within `lines`.
    first: Option<Range<usize>>,
}

impl Excerpt {
    pub(super) fn of(mistake: &Mistake) -> Self {
        let Mistake { fault, place } = mistake;
        let source = &place.source;
        let text = &source.text;
        let words = |words: &str| escaped(&source.masked(words)).into_owned();
        // A span over several lines would be drawn as a tall bracket; its first line is enough.
        let start = char_start(text, place.span.start);
        let end = char_start(text, place.span.end).max(start);
        let line = text[start..end].find('\n').map_or(end, |at| start + at);
        let end = start + text[start..line].trim_end().len();
        let (from, to) = around(text, start);
        let column = |at: usize| escaped(&source.masked_within(from..at)).len();
        let first = match fault {
            Fault::RepeatedKey { first: Some(first), .. } => Some(first.span.clone()),
            _ => None,
        };
        let first = first.filter(|first| from <= first.start && first.end <= to);
        Self {
            headline: words(&fault.to_string()),
            label: words(&fault.label()),
            help: fault.help().map(|help| words(&help)),
            severity: match fault {
                Fault::Warning(_) => Severity::Warning,
                _ => Severity::Error,
            },
            name: escaped(&source.name).into_owned(),
            span: column(start)..column(end),
            first: first.map(|first| column(first.start)..column(first.end)),
            lines: escaped(&source.masked_within(from..to)).into_owned(),
            first_line: text[..from].matches('\n').count(),
        }
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// Whether the drawing library can draw it: it counts columns in 16 bits, and panics on overflow.
    pub(super) fn is_drawable(&self) -> bool {
        const LONGEST_LINE: usize = 10_000;
        let start = self.lines[..self.span.start].rfind('\n').map_or(0, |at| at + 1);
        self.span.start - start < LONGEST_LINE
    }
}

/// The lines around a position.
fn around(text: &str, at: usize) -> (usize, usize) {
    let mut from = at;
    for _ in 0..=AROUND {
        from = text[..from].trim_end_matches(|c| c != '\n').len().saturating_sub(1);
    }
    let from = if from == 0 { 0 } else { from + 1 };
    let to = text[at..].match_indices('\n').nth(AROUND).map_or(text.len(), |(end, _)| at + end + 1);
    (from, to)
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline)
    }
}

impl std::error::Error for Excerpt {}

impl Diagnostic for Excerpt {
    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new_primary_with_span(Some(self.label.clone()), self.span.clone());
        let first = self.first.iter().map(|first| LabeledSpan::new(None, first.start, first.len()));
        Some(Box::new(std::iter::once(label).chain(first)))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let contents = self.lines.read_span(span, before, after)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            contents.data(),
            *contents.span(),
            self.first_line + contents.line(),
            contents.column(),
            contents.line_count(),
        )))
    }
}
