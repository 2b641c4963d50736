//! The endpoints that answer requests, directly or within a batch job. Main type: [`Endpoint`]; each endpoint's
//! specifics are in the file named after it.

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

/// An endpoint of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Chat completions.
    Chat,
    /// Embeddings.
    Embed,
    /// Text recognition in documents and images.
    Ocr,
    /// Detection of harmful text.
    Moderate,
    /// Classification by a custom classifier.
    Classify,
}

impl Endpoint {
    /// All endpoints.
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

    /// Its path below the base URL, which also identifies it in a batch job.
    pub const fn path(self) -> &'static str {
        self.kind().path
    }

    /// The largest answer that is read, in bytes.
    pub(super) const fn largest(self) -> usize {
        self.kind().largest
    }

    /// Whether requests count as pages for the rate limits.
    pub(super) const fn counts_pages(self) -> bool {
        self.kind().counts_pages
    }

    /// Extracts the answer as text.
    ///
    /// # Errors
    /// The missing part, worded to follow "the answer …".
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
