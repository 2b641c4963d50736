//! Required parts of an answer. Called by each endpoint.

use serde_json::Value;

/// The error for a missing part, worded to follow "the answer …".
pub(super) fn lacks(part: &str) -> String {
    format!("has no `{part}`")
}

/// The first entry of a list.
pub(super) fn first<'a>(body: &'a Value, list: &str) -> Result<&'a Value, String> {
    body[list].get(0).ok_or_else(|| lacks(&format!("{list}[0]")))
}
