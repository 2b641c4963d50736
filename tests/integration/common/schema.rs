//! The schema that most answers in the tests have to fit.

/// A title, a kind and a score, and whatever else.
pub const SCHEMA: &str = r#"{
  "type": "object",
  "required": ["title", "kind", "score"],
  "properties": {
    "title": { "type": "string", "minLength": 3 },
    "kind": { "enum": ["essay", "letter", "speech"] },
    "score": { "type": "number", "minimum": 0, "maximum": 1 }
  }
}"#;

/// The same, and nothing else.
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
