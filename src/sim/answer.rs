//! Answers: most fit what was asked for; some are wrong in the ways in which real ones are.

use serde_json::{Value, json};

use crate::mistral::wire::TokenUsage;

use super::{SimConfig, dice::Dice, document::Document, misfits, respond::Asked, shape::Filler};

pub(super) struct Given {
    pub(super) response: Value,
    pub(super) usage: TokenUsage,
    pub(super) misfit: bool,
}

/// The share of good answers that come in an odd form, which a client has to put up with.
const ODD: f64 = 0.06;

/// The answer to a request that was answered so often before.
pub(super) fn answer(request: &Value, asked: &Asked, answered: u64, config: &SimConfig) -> Given {
    let mut dice = Dice::of(config.seed, &asked.identity, answered, "answer");
    let document = Document::of(request);
    let format = &request["response_format"];
    let schema = &format["json_schema"]["schema"];
    let misfit = misfits::choose(config, asked, answered > 0, &mut dice);
    let mut misfits = false;
    let content = match format["type"].as_str() {
        Some("json_schema") => {
            let value = Filler { root: schema, document: &document, dice: &mut dice }.fill(schema, "", 0);
            match misfit {
                Some(misfit) => {
                    misfits = true;
                    let prose = prose(&document, &mut dice);
                    Value::from(misfit.spoil(value, schema, &prose, &mut dice))
                }
                None => odd(&value, &mut dice),
            }
        }
        Some("json_object") => Value::from(
            json!({ "title": document.title, "topics": document.words.iter().take(5).collect::<Vec<_>>() })
                .to_string(),
        ),
        _ => Value::from(prose(&document, &mut dice)),
    };
    let prompt_tokens = prompt_tokens(request);
    let (content, finish_reason) = cut(content, request["max_tokens"].as_u64());
    let usage = TokenUsage {
        prompt_tokens,
        completion_tokens: tokens(length(&content)),
        total_tokens: prompt_tokens + tokens(length(&content)),
    };
    let model = request["model"].as_str().unwrap_or_default();
    let response = json!({
        "id": format!("{:016x}", dice.below(1 << 52)),
        "object": "chat.completion",
        "created": jiff::Timestamp::now().as_second(),
        "model": format!("simulated:{model}"),
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": content, "tool_calls": null },
            "finish_reason": finish_reason,
        }],
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
            "prompt_tokens_details": { "cached_tokens": 0 },
        },
    });
    Given { response, usage, misfit: misfits }
}

/// The tokens of what is asked.
pub(super) fn prompt_tokens(request: &Value) -> u64 {
    let messages = request["messages"].as_array().into_iter().flatten();
    tokens(messages.map(|message| length(&message["content"])).sum())
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

fn prose(document: &Document, dice: &mut Dice) -> String {
    let from = dice.below(document.sentences.len());
    let text = document.sentences.iter().skip(from).take(2).cloned().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        format!("It is about {}.", document.words.iter().take(3).cloned().collect::<Vec<_>>().join(", "))
    } else {
        text
    }
}

/// A good answer, mostly plain, now and then wrapped.
fn odd(value: &Value, dice: &mut Dice) -> Value {
    let text = value.to_string();
    if !dice.chance(ODD) {
        return Value::from(text);
    }
    match dice.below(3) {
        0 => Value::from(format!("```json\n{text}\n```")),
        1 => Value::from(format!("Here is the description you asked for:\n\n{text}")),
        _ => json!([
            { "type": "thinking", "thinking": [{ "type": "text", "text": "The text wants to be described." }] },
            { "type": "text", "text": text }
        ]),
    }
}

/// Cuts an answer at `max_tokens`, as the service does.
fn cut(content: Value, max_tokens: Option<u64>) -> (Value, &'static str) {
    match (&content, max_tokens) {
        (Value::String(text), Some(most)) if tokens(text.len()) > most => {
            let end = (0..=(most as usize * 4).min(text.len()))
                .rev()
                .find(|at| text.is_char_boundary(*at))
                .unwrap_or(0);
            (Value::from(&text[..end]), "length")
        }
        _ => (content, "stop"),
    }
}
