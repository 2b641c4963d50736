//! What the endpoints answer to a request that was checked: made of the request, and of nothing else.

mod chat;
pub(crate) mod document;
mod embeddings;
mod given;
mod labels;
pub(crate) mod misfits;
mod ocr;
pub(crate) mod shape;

use axum::http::StatusCode;
use serde_json::Value;

use crate::{
    mistral::wire::TokenUsage,
    sim::{
        check,
        config::SimConfig,
        dice::Dice,
        models::{Model, Skill},
        reply::Refusal,
        state::identity::Asked,
    },
};

pub(crate) use ocr::Stored;

pub(crate) struct Given {
    pub(crate) response: Value,
    pub(crate) usage: TokenUsage,
    pub(crate) misfit: bool,
}

/// Whether the model can answer: what is too long for it, or not in its power, is refused in time.
pub(crate) fn within(endpoint: &str, request: &Value, model: &Model) -> Result<(), Refusal> {
    let refused = |message: &str, kind: &str, code: &str| {
        Err(Refusal::object(StatusCode::BAD_REQUEST, message, kind, code))
    };
    if endpoint == "/v1/embeddings" {
        return embeddings::within(request, model);
    }
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

/// The answer to a request that was answered so often before.
pub(crate) fn answer(
    endpoint: &str,
    request: &Value,
    asked: &Asked,
    answered: u64,
    config: &SimConfig,
    stored: Stored<'_>,
) -> Given {
    // Who sets a seed is answered the same each time.
    let answered = if request["random_seed"].is_u64() { 0 } else { answered };
    let mut dice = Dice::of(config.seed, &asked.identity, answered, "answer");
    if let Some(text) = config.given.get(&asked.identity) {
        return given::answer(endpoint, request, &text, &mut dice);
    }
    match endpoint {
        "/v1/embeddings" => embeddings::answer(request, &mut dice),
        "/v1/ocr" => ocr::answer(request, &mut dice, stored),
        "/v1/moderations" | "/v1/chat/moderations" => labels::moderate(request, &mut dice),
        "/v1/classifications" | "/v1/chat/classifications" => labels::classify(request, &mut dice),
        _ => chat::answer(request, asked, answered, config, &mut dice),
    }
}

/// The tokens of what is asked.
pub(crate) fn prompt_tokens(request: &Value) -> u64 {
    let messages = request["messages"].as_array().into_iter().flatten();
    let said: usize = messages.map(|message| length(&message["content"])).sum();
    tokens(said + length(&request["prompt"]) + inputs(request).iter().map(String::len).sum::<usize>())
}

/// The texts of an `input`, one for each result: texts as they are, conversations with all that is said in them.
fn inputs(request: &Value) -> Vec<String> {
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

fn usage(prompt_tokens: u64, completion_tokens: u64) -> TokenUsage {
    TokenUsage { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
}

/// The name of the model as an answer gives it: nobody shall take it for the service's.
fn model(request: &Value) -> String {
    format!("simulated:{}", request["model"].as_str().unwrap_or("mistral-ocr-latest"))
}

fn id(dice: &mut Dice) -> String {
    format!("{:016x}{:016x}", dice.below(1 << 52), dice.below(1 << 52))
}

fn tokens(bytes: usize) -> u64 {
    bytes.div_ceil(4) as u64
}

fn length(content: &Value) -> usize {
    match content {
        Value::String(text) => text.len(),
        Value::Null => 0,
        other => other.to_string().len(),
    }
}
