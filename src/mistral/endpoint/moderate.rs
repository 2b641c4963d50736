//! Detection of harmful text.

use serde_json::Value;

use super::{
    kind::{Kind, LARGEST},
    parts::first,
};

pub(super) static KIND: Kind = Kind { path: "/v1/moderations", largest: LARGEST, counts_pages: false, text };

fn text(body: &Value) -> Result<String, String> {
    Ok(flagged(first(body, "results")?).to_string())
}

/// Adds `flagged` to a moderation: whether any category is true.
fn flagged(result: &Value) -> Value {
    let mut result = result.clone();
    let categories = result["categories"].as_object();
    let any = categories.is_some_and(|categories| categories.values().any(|value| value == true));
    if let Some(fields) = result.as_object_mut() {
        fields.insert("flagged".to_owned(), any.into());
    }
    result
}
