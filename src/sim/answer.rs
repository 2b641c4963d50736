//! Answers: most fit what was asked for; some are wrong in the ways in which real ones are.

use serde_json::{Value, json};

use crate::mistral::wire::TokenUsage;

use super::{SimConfig, dice::Dice, document::Document, respond::Asked, shape::Filler};

pub(super) struct Given {
    pub(super) response: Value,
    pub(super) usage: TokenUsage,
    pub(super) misfit: bool,
}

/// The share of good answers that come in an odd form, which a client has to put up with.
const ODD: f64 = 0.06;

/// A model that is told what was wrong is wrong less often: in the real run, 21 of 124 and 1 of 21.
const AFTER_A_REFUSAL: f64 = 0.6;

/// The words by which a prompt shows that it asks again.
const REFUSED: &str = "was refused";

pub(super) fn answer(request: &Value, asked: &Asked, config: &SimConfig) -> Given {
    let mut dice = Dice::of(config.seed, &asked.identity, asked.nth, "answer");
    let document = Document::of(request);
    let format = &request["response_format"];
    let schema = &format["json_schema"]["schema"];
    let again = request["messages"].to_string().contains(REFUSED);
    let share = config.misfits * if again { AFTER_A_REFUSAL } else { 1.0 };
    let mut misfit = false;
    let content = match format["type"].as_str() {
        Some("json_schema") => {
            let value = Filler { root: schema, document: &document, dice: &mut dice }.fill(schema, "", 0);
            misfit = dice.chance(share);
            if misfit {
                Value::from(wrong(value, schema, &document, &mut dice))
            } else {
                odd(&value, &mut dice)
            }
        }
        Some("json_object") => Value::from(
            json!({ "title": document.title, "topics": document.words.iter().take(5).collect::<Vec<_>>() })
                .to_string(),
        ),
        _ => Value::from(prose(&document, &mut dice)),
    };
    let messages = request["messages"]
        .as_array()
        .map_or(0, |messages| messages.iter().map(|m| length(&m["content"])).sum());
    let (content, finish_reason) = cut(content, request["max_tokens"].as_u64());
    let usage = TokenUsage {
        prompt_tokens: tokens(messages),
        completion_tokens: tokens(length(&content)),
        total_tokens: tokens(messages) + tokens(length(&content)),
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
    Given { response, usage, misfit }
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

/// A wrong answer, in the proportions of the run of 723 texts: 52 lacked a field, 42 were an array or
/// a bare value, 10 held no JSON, 9 had empty fields, 5 an invented word.
fn wrong(value: Value, schema: &Value, document: &Document, dice: &mut Dice) -> String {
    let Value::Object(mut object) = value else { return "[]".to_owned() };
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let choices: Vec<String> =
        object.keys().filter(|name| schema["properties"][*name]["enum"].is_array()).cloned().collect();
    match dice.below(118) {
        94..104 => return format!("I have read the text. {}", prose(document, dice)),
        52..94 => {
            return match dice.below(3) {
                0 => json!([dice.between(1900, 2026)]).to_string(),
                1 => json!([object]).to_string(),
                _ => schema.to_string(),
            };
        }
        104..113 => {
            for value in object.values_mut() {
                match value {
                    Value::String(text) => text.clear(),
                    Value::Array(items) => items.clear(),
                    _ => {}
                }
            }
        }
        113.. if !choices.is_empty() => {
            if let Some(name) = dice.pick(&choices) {
                object.insert(name.clone(), Value::from("miscellaneous"));
            }
        }
        _ => {
            if let Some(name) = dice.pick(&required) {
                object.remove(*name);
            }
        }
    }
    Value::Object(object).to_string()
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
