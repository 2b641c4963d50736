//! The models that there are.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::reply::Refusal;

pub(super) struct Model {
    pub(super) id: &'static str,
    /// The longest context, in tokens.
    pub(super) context: u64,
    /// What replaces a retired one.
    pub(super) replacement: Option<&'static str>,
}

const fn model(id: &'static str, context: u64) -> Model {
    Model { id, context, replacement: None }
}

pub(super) const MODELS: &[Model] = &[
    model("mistral-large-latest", 262_144),
    model("mistral-medium-latest", 131_072),
    model("mistral-small-latest", 131_072),
    model("ministral-8b-latest", 262_144),
    model("ministral-3b-latest", 262_144),
    model("open-mistral-nemo", 131_072),
    Model { id: "magistral-small-latest", context: 131_072, replacement: Some("mistral-small-latest") },
];

impl Model {
    /// The model of that name, if it can still be asked.
    pub(super) fn in_service(name: &str) -> Result<&'static Self, Refusal> {
        let found = MODELS.iter().find(|model| model.id == name && model.replacement.is_none());
        found.ok_or_else(|| {
            let message = format!("Invalid model: {name}");
            Refusal::object(StatusCode::BAD_REQUEST, &message, "invalid_model", "1500")
        })
    }

    /// As the list of models shows it.
    pub(super) fn card(&self) -> Value {
        json!({
            "id": self.id,
            "object": "model",
            "created": 1_760_000_000,
            "owned_by": "mistralai",
            "capabilities": { "completion_chat": true, "function_calling": true, "vision": false },
            "aliases": [],
            "max_context_length": self.context,
            "deprecation": self.replacement.map(|_| "2026-07-31T00:00:00Z"),
            "deprecation_replacement_model": self.replacement,
        })
    }
}
