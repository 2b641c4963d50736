//! What is particular to an endpoint. Main type: [`Kind`], of which each endpoint has one.

use serde_json::Value;

/// The largest answer that most endpoints give, in bytes.
pub(super) const LARGEST: usize = 32_000_000;

/// What is particular to an endpoint.
pub(super) struct Kind {
    /// Its path below the base URL.
    pub(super) path: &'static str,
    /// The largest answer that is read, in bytes.
    pub(super) largest: usize,
    /// Whether requests count as pages for the limits of rate.
    pub(super) counts_pages: bool,
    /// The useful part of an answer, as text; or which part is missing, as an end to "the answer …".
    pub(super) text: fn(&Value) -> Result<String, String>,
}
