//! The endpoints that answer requests, at once or within a batch job. Main type: [`Endpoint`]; what is particular to one
//! is in the file of its name.

mod chat;
mod classify;
mod embed;
mod kind;
mod moderate;
mod ocr;
mod parts;

use std::fmt;

use serde_json::Value;

use kind::Kind;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Chat completions.
    Chat,
    /// Embeddings.
    Embed,
    /// The text of documents and images.
    Ocr,
    /// Whether a text is harmful, and how.
    Moderate,
    /// Classes by a classifier of one's own.
    Classify,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Chat, Self::Embed, Self::Ocr, Self::Moderate, Self::Classify];

    const fn kind(self) -> &'static Kind {
        match self {
            Self::Chat => &chat::KIND,
            Self::Embed => &embed::KIND,
            Self::Ocr => &ocr::KIND,
            Self::Moderate => &moderate::KIND,
            Self::Classify => &classify::KIND,
        }
    }

    /// Its path below the base URL, which is also what a batch job names it by.
    pub const fn path(self) -> &'static str {
        self.kind().path
    }

    /// The largest answer that is read, in bytes.
    pub(super) const fn largest(self) -> usize {
        self.kind().largest
    }

    /// Whether requests count as pages for the limits of rate.
    pub(super) const fn counts_pages(self) -> bool {
        self.kind().counts_pages
    }

    /// The useful part of an answer, as text.
    ///
    /// # Errors
    /// Which part is missing, as an end to "the answer …".
    pub(super) fn text(self, body: &Value) -> Result<String, String> {
        (self.kind().text)(body)
    }

    /// The endpoint with a path.
    pub fn of_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.path() == path)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path())
    }
}
