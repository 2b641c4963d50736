//! The schema of most answers in the tests.

/// A title, a kind and a score; other fields are permitted.
pub const SCHEMA: &str = r#"{
  "type": "object",
  "required": ["title", "kind", "score"],
  "properties": {
    "title": { "type": "string", "minLength": 3 },
    "kind": { "enum": ["essay", "letter", "speech"] },
    "score": { "type": "number", "minimum": 0, "maximum": 1 }
  }
}"#;

/// The same, without other fields.
pub const CLOSED_SCHEMA: &str = r#"{
  "type": "object",
  "required": ["title", "kind", "score"],
  "additionalProperties": false,
  "properties": {
    "title": { "type": "string", "minLength": 3 },
    "kind": { "enum": ["essay", "letter", "speech"] },
    "score": { "type": "number", "minimum": 0, "maximum": 1 }
  }
}"#;
