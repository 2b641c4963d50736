//! Mistakes in what people write, each with its place.
//!
//! The closed list of everything that can be wrong with a spec, its prompts and its schemas. A
//! mistake is facts; its words are written here, once. Readers collect them and go on, so that
//! a person hears of all of them in one go.

mod advice;
mod fault;
mod warning;
mod words;

use std::{fmt, ops::Range, sync::Arc};

use miette::{Diagnostic, LabeledSpan, Severity, SourceCode};

pub use fault::Fault;
pub use warning::Warning;
pub use words::{meant, nearest};

/// A text that a person wrote: the spec, a prompt, a schema.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Its path as the person would type it.
    pub name: String,
    /// All of it.
    pub text: String,
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

/// Every mistake of a spec and of the files that it names; never empty.
#[derive(Debug, thiserror::Error)]
#[error("{}", headline(.0))]
pub struct Mistakes(pub Vec<Mistake>);

fn headline(mistakes: &[Mistake]) -> String {
    match mistakes {
        [one] => format!("{}: {}", one.place, one.fault),
        many => format!("{} mistakes", many.len()),
    }
}

/// Columns up to which a place is drawn in its line.
const LONGEST_LINE: usize = 10_000;

impl Mistakes {
    /// The mistakes as a person sees them: each with its line, the place underlined, and what to try.
    pub fn render(&self, color: bool) -> String {
        let theme =
            if color { miette::GraphicalTheme::unicode() } else { miette::GraphicalTheme::unicode_nocolor() };
        let handler = miette::GraphicalReportHandler::new_themed(theme).with_links(false).with_width(100);
        let mut out = String::new();
        for mistake in &self.0 {
            // The library that draws lines counts columns in 16 bits, and panics past that.
            let is_drawn = mistake.place.line_column().1 < LONGEST_LINE
                && handler.render_report(&mut out, mistake).is_ok();
            if !is_drawn {
                let (place, fault) = (&mistake.place, &mistake.fault);
                out.push_str(&format!("{place}: {fault}: {}\n", fault.label()));
            }
        }
        out
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)
    }
}

impl std::error::Error for Mistake {}

impl Diagnostic for Mistake {
    fn severity(&self) -> Option<Severity> {
        Some(if matches!(self.fault, Fault::Warning(_)) { Severity::Warning } else { Severity::Error })
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        // A span over several lines is drawn as a bracket down the page; its first line says as much.
        let text = &self.place.source.text;
        let start = char_start(text, self.place.span.start);
        let end = char_start(text, self.place.span.end).max(start);
        let line = text[start..end].find('\n').map_or(end, |at| start + at);
        let line = start + text[start..line].trim_end().len();
        Some(Box::new(std::iter::once(LabeledSpan::new(Some(self.fault.label()), start, line - start))))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.fault.help()?))
    }
}

impl SourceCode for Mistake {
    fn read_span<'a>(
        &'a self,
        span: &miette::SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn miette::SpanContents<'a> + 'a>, miette::MietteError> {
        let contents = self.place.source.text.read_span(span, before, after)?;
        Ok(Box::new(miette::MietteSpanContents::new_named(
            self.place.source.name.clone(),
            contents.data(),
            *contents.span(),
            contents.line(),
            contents.column(),
            contents.line_count(),
        )))
    }
}
