//! Requests that a text model cannot answer.

use axum::http::StatusCode;
use serde_json::Value;

use crate::sim::{
    answer::prompt_tokens,
    models::{Model, Skill},
    reply::Refusal,
};

/// Whether the model can answer: refuses requests that are too long or need a skill it lacks.
pub(super) fn within(request: &Value, model: &Model) -> Result<(), Refusal> {
    let refused = |message: &str, kind: &str, code: &str| {
        Err(Refusal::object(StatusCode::BAD_REQUEST, message, kind, code))
    };
    let asks = prompt_tokens(request);
    let most = request["max_tokens"].as_u64().unwrap_or(0);
    if asks + most > model.context {
        let message = format!(
            "Prompt contains {asks} tokens and {most} are wanted for the answer, too large for model with {} maximum context length",
            model.context
        );
        return refused(&message, "invalid_request_prompt", "3059");
    }
    match request["reasoning_effort"].as_str() {
        Some("none" | "high") if model.skill == Skill::Reasoning => Ok(()),
        Some(effort) => {
            let message = format!("reasoning_effort {effort} is not supported for this model");
            refused(&message, "invalid_request_error", "3051")
        }
        None => Ok(()),
    }
}
