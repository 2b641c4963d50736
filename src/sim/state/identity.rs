//! The identity of a request: endpoint, model and body, regardless of formatting and of how it was sent.

use serde_json::Value;

pub(crate) type Identity = [u8; 32];

/// A request to be answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) identity: Identity,
    /// How often it was sent before, answered or not.
    pub(crate) nth: u64,
    /// Its position in the order of different requests.
    pub(crate) slot: u64,
    /// 0 for a first request, more for a retry that gives the reason.
    pub(crate) round: usize,
}

/// The identity of a request that includes its model.
pub(crate) fn identity(endpoint: &str, request: &Value) -> Identity {
    let mut hasher = blake3::Hasher::new();
    hasher.update(endpoint.as_bytes()).update(&[0]);
    feed(&mut hasher, request);
    *hasher.finalize().as_bytes()
}

/// Fields sorted by name, so that their order does not matter.
fn feed(hasher: &mut blake3::Hasher, value: &Value) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            hasher.update(b"{");
            for (name, value) in fields {
                hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
                feed(hasher, value);
            }
            hasher.update(b"}");
        }
        Value::Array(items) => {
            hasher.update(b"[");
            for item in items {
                feed(hasher, item);
            }
            hasher.update(b"]");
        }
        Value::String(text) => {
            hasher.update(b"\"").update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
        other => {
            hasher.update(other.to_string().as_bytes()).update(b",");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_fields_is_no_difference_and_everything_else_is() {
        let of = |value| identity("/v1/chat/completions", &value);
        let one = of(json!({ "model": "m", "messages": [{ "role": "user", "content": "x" }] }));
        assert_eq!(one, of(json!({ "messages": [{ "content": "x", "role": "user" }], "model": "m" })));
        assert_ne!(one, of(json!({ "messages": [{ "content": "x", "role": "user" }], "model": "n" })));
        assert_ne!(of(json!([[1], 2])), of(json!([[1, 2]])));
        assert_ne!(of(json!(["a", "b"])), of(json!(["a\",\"b"])));
        assert_ne!(identity("/v1/ocr", &json!({})), identity("/v1/embeddings", &json!({})));
    }
}
