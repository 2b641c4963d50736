//! Chat completions.

use serde::Deserialize;
use serde_json::Value;

use super::{
    kind::{Kind, LARGEST},
    parts::{first, lacks},
};
use crate::mistral::wire::{CHAT_PATH, Content};

pub(super) static KIND: Kind = Kind { path: CHAT_PATH, largest: LARGEST, counts_pages: false, text };

fn text(body: &Value) -> Result<String, String> {
    let choice = first(body, "choices")?;
    // Older servers put `text` where the message belongs.
    let message = match (choice.get("message"), choice.get("text")) {
        (Some(message), _) => message,
        (None, Some(Value::String(text))) => return Ok(text.clone()),
        (None, _) => return Err(lacks("choices[0].message")),
    };
    let text = match &message["content"] {
        Value::Null => String::new(),
        // A single chunk outside a list.
        Value::Object(chunk) if chunk.get("text").is_some_and(Value::is_string) => {
            Content::Chunks(vec![message["content"].clone()]).text()
        }
        content => Content::deserialize(content)
            .map_err(|_| "has a `content` that is neither text nor a list of chunks".to_owned())?
            .text(),
    };
    let calls: Vec<&Value> = message["tool_calls"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|call| &call["function"]["arguments"])
        .collect();
    Ok(match calls[..] {
        // Text before a tool call that never arrived is half an answer.
        [] if choice["finish_reason"] == "tool_calls" => {
            return Err("ends with `finish_reason: tool_calls` but contains no call".to_owned());
        }
        [] => text,
        _ if !text.trim().is_empty() => text,
        [call] => arguments(call),
        _ => format!("[{}]", calls.into_iter().map(arguments).collect::<Vec<_>>().join(",")),
    })
}

/// The arguments of a tool call: an object, or a JSON string of one.
fn arguments(call: &Value) -> String {
    call.as_str().map_or_else(|| call.to_string(), str::to_owned)
}
