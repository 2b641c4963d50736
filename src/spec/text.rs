//! Texts and names of a spec, each with its place in the file.

use std::sync::Arc;

use crate::diagnostic::Place;

use super::tree::Origin;

/// Whether a text contains Jinja; otherwise it is literal.
pub fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|open| text.contains(open))
}

/// A text value of the spec.
#[derive(Clone, PartialEq)]
pub struct Text {
    /// The text, with variables substituted.
    pub value: String,
    /// As written in the file.
    pub(crate) raw: String,
    /// Its place.
    pub place: Place,
    /// Who wrote its beginning.
    pub origin: Origin,
    /// Whether it must not be shown.
    pub secret: bool,
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.shown())
    }
}

impl Text {
    /// The value, or the raw text of the file if the value is a secret.
    pub fn shown(&self) -> &str {
        if self.secret { &self.raw } else { &self.value }
    }

    /// The place in the file of a part of the value.
    ///
    /// A block scalar (`|`) is indented in the file and not in the value; if the two cannot be
    /// matched (folded or escaped texts, substituted variables), the whole value is the place.
    pub fn place_of(&self, span: std::ops::Range<usize>) -> Place {
        let source = Arc::clone(&self.place.source);
        let start = self.place.span.start;
        let rest = &source.text[start.min(source.text.len())..];
        let line = self.value[..span.start.min(self.value.len())].matches('\n').count();
        let line_start = self.value[..span.start.min(self.value.len())].rfind('\n').map_or(0, |at| at + 1);
        let text_line = self.value[line_start..].lines().next().unwrap_or_default();
        let header = usize::from(rest.starts_with('|'));
        let mut offset = 0;
        for (at, raw) in rest.split_inclusive('\n').enumerate() {
            if at == line + header {
                let Some(found) = raw.find(text_line).filter(|_| !text_line.is_empty()) else { break };
                let begin = start + offset + found + (span.start - line_start);
                return Place { source, span: begin..begin + span.len() };
            }
            offset += raw.len();
        }
        self.place.clone()
    }
}

/// A name chosen by the user.
#[derive(Debug, Clone, PartialEq)]
pub struct Name {
    /// The name.
    pub value: Arc<str>,
    /// Its place.
    pub place: Place,
}
