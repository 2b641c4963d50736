//! Embeddings.

use serde_json::Value;

use super::{
    kind::{Kind, LARGEST},
    parts::{first, lacks},
};

pub(super) static KIND: Kind = Kind { path: "/v1/embeddings", largest: LARGEST, counts_pages: false, text };

fn text(body: &Value) -> Result<String, String> {
    let embedding = first(body, "data")?.get("embedding");
    let embedding = embedding.filter(|embedding| embedding.is_array() || embedding.is_string());
    Ok(embedding.ok_or_else(|| lacks("data[0].embedding"))?.to_string())
}
