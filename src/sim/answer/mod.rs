//! The parts of answers: texts about the document of a request, values for a schema, misfits, tokens. Called by
//! the endpoints; knows nothing about HTTP or earlier requests.

pub(crate) mod document;
pub(crate) mod misfits;
pub(crate) mod shape;

use serde_json::Value;

use crate::{
    mistral::wire::TokenUsage,
    sim::{check, dice::Dice},
};

pub(crate) struct Generated {
    pub(crate) response: Value,
    pub(crate) usage: TokenUsage,
    pub(crate) misfit: bool,
}

/// The tokens of the prompt.
pub(crate) fn prompt_tokens(request: &Value) -> u64 {
    let messages = request["messages"].as_array().into_iter().flatten();
    let said: usize = messages.map(|message| length(&message["content"])).sum();
    tokens(said + length(&request["prompt"]) + inputs(request).iter().map(String::len).sum::<usize>())
}

/// The texts of an `input`, one per result: strings as they are, conversations joined.
pub(crate) fn inputs(request: &Value) -> Vec<String> {
    match &request["input"] {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        input => {
            let said = |messages: &Vec<Value>| -> String {
                let said = messages.iter().map(|message| match &message["content"] {
                    Value::String(text) => text.clone(),
                    chunks => chunks.to_string(),
                });
                said.collect::<Vec<_>>().join("\n")
            };
            check::conversations(input).iter().map(said).collect()
        }
    }
}

pub(crate) fn usage(prompt_tokens: u64, completion_tokens: u64) -> TokenUsage {
    TokenUsage { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
}

/// The model name in an answer; it cannot be mistaken for the service's.
pub(crate) fn model(request: &Value) -> String {
    format!("simulated:{}", request["model"].as_str().unwrap_or("mistral-ocr-latest"))
}

pub(crate) fn id(dice: &mut Dice) -> String {
    format!("{:016x}{:016x}", dice.below(1 << 52), dice.below(1 << 52))
}

pub(crate) fn tokens(bytes: usize) -> u64 {
    bytes.div_ceil(4) as u64
}

pub(crate) fn length(content: &Value) -> usize {
    match content {
        Value::String(text) => text.len(),
        Value::Null => 0,
        other => other.to_string().len(),
    }
}
