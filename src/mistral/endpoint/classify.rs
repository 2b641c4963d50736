//! Classification by a custom classifier.

use serde_json::Value;

use super::{
    kind::{Kind, LARGEST},
    parts::first,
};

pub(super) static KIND: Kind =
    Kind { path: "/v1/classifications", largest: LARGEST, counts_pages: false, text };

fn text(body: &Value) -> Result<String, String> {
    Ok(first(body, "results")?.to_string())
}
