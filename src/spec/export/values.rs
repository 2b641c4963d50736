//! What values look like: texts, numbers, quantities, each of which may also be a `${…}`.

use serde_json::{Value, json};

use super::super::settings::Holds;

pub(super) fn def(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

pub(super) fn text() -> Value {
    def("text")
}

pub(super) fn texts() -> Value {
    def("texts")
}

pub(super) fn unit(name: &str) -> Value {
    def(name)
}

pub(super) fn count(least: u64, most: u64) -> Value {
    or_variable(&json!({ "type": "integer", "minimum": least, "maximum": most }))
}

pub(super) fn number(least: f64, most: f64) -> Value {
    or_variable(&json!({ "type": "number", "minimum": least, "maximum": most }))
}

pub(super) fn flag() -> Value {
    or_variable(&json!({ "type": "boolean" }))
}

pub(super) fn word(words: &[&str]) -> Value {
    or_variable(&json!({ "enum": words }))
}

/// The person's own names, each with a text.
pub(super) fn labels() -> Value {
    json!({ "type": "object", "additionalProperties": text() })
}

pub(super) fn list(of: &Value) -> Value {
    json!({ "type": "array", "items": of })
}

pub(super) fn holds(holds: &Holds) -> Value {
    match holds {
        Holds::Number(least, most, _) => number(*least, *most),
        Holds::Share(_) => or_variable(&json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1 })),
        Holds::Count(least, most, _) => count(*least, *most),
        Holds::Flag => flag(),
        Holds::Word(words) => word(words),
        Holds::Text => text(),
        Holds::Texts => texts(),
        Holds::Labels => labels(),
        Holds::Objects => list(&json!({ "type": "object" })),
        Holds::Prediction => def("prediction"),
    }
}

fn or_variable(value: &Value) -> Value {
    json!({ "anyOf": [value, def("variable")] })
}

/// The shapes that are used all over.
pub(super) fn defs() -> Vec<(String, Value)> {
    let quantity = |pattern: &str, example: &str| json!({ "type": "string", "pattern": format!(r"^\s*[0-9._]+\s*{pattern}\s*$|\$\{{"), "examples": [example] });
    let defs = [
        ("variable", json!({ "type": "string", "pattern": r"\$\{" })),
        // A number or a truth is a text to everybody but YAML.
        ("text", json!({ "type": ["string", "number", "boolean"] })),
        ("texts", json!({ "anyOf": [text(), list(&text())] })),
        ("name", json!({ "type": "string", "pattern": r"^[A-Za-z][A-Za-z0-9_]*$|\$\{" })),
        ("rate", quantity(r"[kKM]?\s*/\s*(s|sec|second|min|minute|h|hour|d|day)", "5/s")),
        ("span", quantity("(ms|s|sec|min|m|h|d)", "30s")),
        ("size", quantity("(B|KB|kB|MB|GB)", "100MB")),
        ("money", quantity("USD", "5.00 USD")),
    ];
    defs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
