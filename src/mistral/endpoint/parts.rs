//! Parts of an answer that have to be there. Called by each endpoint.

use serde_json::Value;

/// Why an answer without a part is none, as an end to "the answer …".
pub(super) fn lacks(part: &str) -> String {
    format!("has no `{part}`")
}

/// The first entry of a list.
pub(super) fn first<'a>(body: &'a Value, list: &str) -> Result<&'a Value, String> {
    body[list].get(0).ok_or_else(|| lacks(&format!("{list}[0]")))
}
