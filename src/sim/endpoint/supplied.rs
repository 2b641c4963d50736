//! A supplied answer in the form of its endpoint.

use serde_json::{Value, json};

use crate::sim::{
    answer::{Generated, id, model, prompt_tokens, tokens, usage},
    dice::Dice,
    endpoint::kind::Endpoint,
};

pub(super) fn answer(endpoint: &Endpoint, request: &Value, text: &str, dice: &mut Dice) -> Generated {
    let usage = usage(prompt_tokens(request), tokens(text.len()));
    let mut response = (endpoint.written)(text);
    response["id"] = id(dice).into();
    response["model"] = model(request).into();
    if response["usage_info"].is_null() {
        response["usage"] = json!(usage);
    }
    Generated { response, usage, misfit: false }
}

/// Parses a result as JSON, or takes it as text.
pub(super) fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}
