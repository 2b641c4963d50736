//! Chat answers: most fit the request; some misfit like real ones.

use serde_json::{Value, json};

use crate::{
    mistral::wire::CHAT_PATH,
    sim::{
        answer::{
            Generated, document::Document, id, length, misfits, model, prompt_tokens, shape::Filler, tokens,
            usage,
        },
        check,
        dice::Dice,
        endpoint::{
            kind::{Call, Endpoint},
            unanswerable::within,
        },
        models::Skill,
    },
};

/// The share of good answers in an odd form that a client must tolerate.
const ODD: f64 = 0.06;

/// The most braces of a prompt examined for a schema.
const OBJECTS: usize = 20;

pub(super) static CHAT: Endpoint = Endpoint {
    path: CHAT_PATH,
    in_jobs: true,
    skills: &[Skill::Chat, Skill::Reasoning, Skill::Code],
    models: &[],
    usual: "",
    complaints: |_, request| check::chat::complaints(request),
    within,
    answer,
    written,
};

pub(super) static FIM: Endpoint = Endpoint {
    path: "/v1/fim/completions",
    skills: &[Skill::Code],
    complaints: check::others::complaints,
    ..CHAT
};

fn written(text: &str) -> Value {
    json!({
        "object": "chat.completion",
        "created": jiff::Timestamp::now().as_second(),
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": text, "tool_calls": null },
            "finish_reason": "stop",
        }],
    })
}

fn answer(Call { request, asked, answered, config, .. }: Call<'_>, dice: &mut Dice) -> Generated {
    let document = Document::of(request);
    let misfit = misfits::choose(&config.misfit, (config.seed, config.misfits), asked, answered > 0, dice);
    let mut choices = Vec::new();
    let mut written = 0;
    let mut misfits = false;
    for index in 0..request["n"].as_u64().unwrap_or(1) {
        // Only the first of several answers misfits: a request for a single answer is unaffected.
        let misfit = misfit.filter(|_| index == 0);
        let choice = match called(request) {
            Some(function) => {
                let call = call(function, &document, dice);
                written += tokens(length(&call));
                json!({ "message": { "role": "assistant", "content": "", "tool_calls": [call] }, "finish_reason": "tool_calls" })
            }
            None => {
                let (content, missed) = content(request, &document, misfit, dice);
                misfits |= missed;
                let (content, finish_reason) = ended(content, request);
                written += tokens(length(&content));
                json!({ "message": { "role": "assistant", "content": content, "tool_calls": null }, "finish_reason": finish_reason })
            }
        };
        let mut numbered = json!({ "index": index });
        if let (Some(numbered), Value::Object(choice)) = (numbered.as_object_mut(), choice) {
            numbered.extend(choice);
        }
        choices.push(numbered);
    }
    let usage = usage(prompt_tokens(request), written);
    let response = json!({
        "id": id(dice),
        "object": "chat.completion",
        "created": jiff::Timestamp::now().as_second(),
        "model": model(request),
        "choices": choices,
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
            "prompt_tokens_details": { "cached_tokens": 0 },
        },
    });
    Generated { response, usage, misfit: misfits }
}

/// The content, and whether it misfits.
fn content(
    request: &Value,
    document: &Document,
    misfit: Option<misfits::Misfit>,
    dice: &mut Dice,
) -> (Value, bool) {
    let format = &request["response_format"];
    let schema = match format["type"].as_str() {
        Some("json_schema") => Some(format["json_schema"]["schema"].clone()),
        Some("json_object") => schema_in(request),
        _ => None,
    };
    let (value, schema) = match (format["type"].as_str(), &schema) {
        (_, Some(schema)) => (Filler { root: schema, document, dice }.fill(schema, "", 0), schema),
        (Some("json_object"), None) => {
            let topics: Vec<&String> = document.words.iter().take(5).collect();
            return (Value::from(json!({ "title": document.title, "topics": topics }).to_string()), false);
        }
        _ => return (Value::from(prose(document, dice)), false),
    };
    match misfit {
        None => (odd(&value, dice), false),
        Some(misfit) => {
            let prose = prose(document, dice);
            (Value::from(misfit.spoil(value, schema, &prose, dice)), true)
        }
    }
}

/// The schema written in a prompt: the first object in it with properties.
fn schema_in(request: &Value) -> Option<Value> {
    let messages = request["messages"].as_array()?;
    let texts = messages.iter().filter_map(|message| message["content"].as_str());
    texts.flat_map(|text| text.match_indices('{').take(OBJECTS).map(|(at, _)| &text[at..])).find_map(|text| {
        let value = serde_json::Deserializer::from_str(text).into_iter::<Value>().next()?.ok()?;
        value["properties"].is_object().then_some(value)
    })
}

/// The function that must be called, if any.
fn called(request: &Value) -> Option<&Value> {
    let tools = request["tools"].as_array()?;
    let choice = &request["tool_choice"];
    let mut functions = tools.iter().map(|tool| &tool["function"]).filter(|function| function.is_object());
    match choice["function"]["name"].as_str() {
        Some(name) => functions.find(|function| function["name"] == name),
        None if choice == "any" || choice == "required" => functions.next(),
        None => None,
    }
}

fn call(function: &Value, document: &Document, dice: &mut Dice) -> Value {
    let parameters = &function["parameters"];
    let arguments = match parameters.is_object() {
        true => Filler { root: parameters, document, dice }.fill(parameters, "", 0),
        false => json!({}),
    };
    let id: String = id(dice).chars().rev().take(9).collect();
    json!({
        "id": id,
        "type": "function",
        "function": { "name": function["name"], "arguments": arguments.to_string() },
        "index": 0,
    })
}

fn prose(document: &Document, dice: &mut Dice) -> String {
    let from = dice.below(document.sentences.len());
    let text = document.sentences.iter().skip(from).take(2).cloned().collect::<Vec<_>>().join(" ");
    let words = document.words.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    match (text.is_empty(), words.is_empty()) {
        (false, _) => text,
        (true, false) => format!("It is about {words}."),
        (true, true) => "There is little to say about it.".to_owned(),
    }
}

/// A good answer, usually plain, occasionally wrapped.
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

/// Cuts an answer off before a word of `stop` and at `max_tokens`, like the service.
fn ended(content: Value, request: &Value) -> (Value, &'static str) {
    let Value::String(mut text) = content else { return (content, "stop") };
    let stops = match &request["stop"] {
        Value::Array(words) => words.iter().filter_map(Value::as_str).collect(),
        word => word.as_str().into_iter().collect::<Vec<_>>(),
    };
    if let Some(at) = stops.iter().filter(|word| !word.is_empty()).filter_map(|word| text.find(word)).min() {
        text.truncate(at);
    }
    match request["max_tokens"].as_u64() {
        Some(most) if tokens(text.len()) > most => {
            let most = (most as usize).saturating_mul(4).min(text.len());
            text.truncate((0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0));
            (Value::from(text), "length")
        }
        _ => (Value::from(text), "stop"),
    }
}
