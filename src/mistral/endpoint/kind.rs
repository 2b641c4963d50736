//! The specifics of an endpoint. Main type: [`Kind`], one for each endpoint.

use serde_json::Value;

/// The largest answer of most endpoints, in bytes.
pub(super) const LARGEST: usize = 32_000_000;

/// The specifics of an endpoint.
pub(super) struct Kind {
    /// Its path below the base URL.
    pub(super) path: &'static str,
    /// The largest answer that is read, in bytes.
    pub(super) largest: usize,
    /// Whether requests count as pages for the rate limits.
    pub(super) counts_pages: bool,
    /// Extracts the answer as text; the error names the missing part, worded to follow "the answer …".
    pub(super) text: fn(&Value) -> Result<String, String>,
}
