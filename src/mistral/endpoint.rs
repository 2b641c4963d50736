//! The endpoints that answer requests, at once or within a batch job.

use std::fmt;

use super::wire::CHAT_PATH;

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

    /// Its path below the base URL, which is also what a batch job names it by.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Chat => CHAT_PATH,
            Self::Embed => "/v1/embeddings",
            Self::Ocr => "/v1/ocr",
            Self::Moderate => "/v1/moderations",
            Self::Classify => "/v1/classifications",
        }
    }

    /// The largest answer that is read, in bytes. The pages of a document may come with their pictures.
    pub(super) const fn largest(self) -> usize {
        match self {
            Self::Ocr => 256_000_000,
            Self::Chat | Self::Embed | Self::Moderate | Self::Classify => 32_000_000,
        }
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
