//! Chat requests.

use serde_json::{Map, Value, json};

use crate::sim::check::{
    complaint,
    fields::{self, Field, Kind, optional, required},
};

const FIELDS: &[Field] = &[
    required("model", Kind::Text),
    required("messages", Kind::List),
    optional("temperature", Kind::Number(0.0, 1.5)),
    optional("top_p", Kind::Number(0.0, 1.0)),
    optional("max_tokens", Kind::Whole(0)),
    optional("stream", Kind::Flag),
    optional("stop", Kind::TextOrTexts),
    optional("random_seed", Kind::Whole(0)),
    optional("n", Kind::Whole(1)),
    optional("presence_penalty", Kind::Number(-2.0, 2.0)),
    optional("frequency_penalty", Kind::Number(-2.0, 2.0)),
    optional("tools", Kind::List),
    optional("tool_choice", Kind::Any),
    optional("parallel_tool_calls", Kind::Flag),
    optional("response_format", Kind::Object),
    optional("reasoning_effort", Kind::Text),
    optional("prediction", Kind::Object),
    optional("prompt_mode", Kind::Choice(&["reasoning"])),
    optional("prompt_cache_key", Kind::Text),
    optional("service_tier", Kind::Text),
    optional("metadata", Kind::Object),
    optional("guardrails", Kind::List),
    optional("safe_prompt", Kind::Flag),
];

const ROLES: &[&str] = &["system", "user", "assistant", "tool"];

const CHUNKS: &[&str] =
    &["text", "image_url", "document_url", "reference", "file", "thinking", "input_audio"];

pub(crate) fn complaints(request: &Map<String, Value>) -> Vec<Value> {
    let mut reported = fields::complaints(FIELDS, request);
    if let Some(messages) = request.get("messages").and_then(Value::as_array) {
        if messages.is_empty() {
            let message = "List should have at least 1 item after validation, not 0";
            reported.push(complaint("too_short", vec![json!("messages")], message, &json!([])));
        }
        reported.extend(messages_complaints(messages));
    }
    let given = |name: &str| request.get(name).filter(|value| !value.is_null());
    if let Some(format) = given("response_format") {
        let place = |name: &str| vec![json!("response_format"), json!(name)];
        match format["type"].as_str() {
            Some("text" | "json_object") => {}
            Some("json_schema") if format["json_schema"]["schema"].is_object() => {}
            Some("json_schema") => {
                reported.push(complaint("missing", place("json_schema"), "Field required", format));
            }
            _ => {
                let wanted = "Input should be 'text', 'json_object' or 'json_schema'";
                reported.push(complaint("enum", place("type"), wanted, &format["type"]));
            }
        }
    }
    for (at, tool) in given("tools").and_then(Value::as_array).into_iter().flatten().enumerate() {
        if !tool["function"]["name"].is_string()
            && tool["type"].as_str().is_none_or(|kind| kind == "function")
        {
            let place = vec![json!("tools"), json!(at), json!("function")];
            reported.push(complaint("missing", place, "Field required", tool));
        }
    }
    match given("tool_choice") {
        None => {}
        Some(choice) if choice["function"]["name"].is_string() => {}
        Some(choice)
            if choice.as_str().is_some_and(|word| ["auto", "none", "any", "required"].contains(&word)) => {}
        Some(choice) => {
            let wanted = "Input should be 'auto', 'none', 'any' or 'required', or name a function";
            reported.push(complaint("enum", vec![json!("tool_choice")], wanted, choice));
        }
    }
    reported
}

/// Complaints about messages, which other requests contain, too.
pub(crate) fn messages_complaints(messages: &[Value]) -> Vec<Value> {
    let mut reported = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let place = |name: &str| vec![json!("messages"), json!(at), json!(name)];
        match &message["role"] {
            Value::String(role) if ROLES.contains(&role.as_str()) => {}
            Value::Null => reported.push(complaint("missing", place("role"), "Field required", message)),
            other => {
                let wanted = "Input should be 'system', 'user', 'assistant' or 'tool'";
                reported.push(complaint("enum", place("role"), wanted, other));
            }
        }
        match &message["content"] {
            Value::String(_) => {}
            Value::Null if message["role"] == "assistant" => {}
            Value::Null => reported.push(complaint("missing", place("content"), "Field required", message)),
            Value::Array(chunks) => {
                for (number, chunk) in chunks.iter().enumerate() {
                    let kind = chunk["type"].as_str().unwrap_or("text");
                    if !CHUNKS.contains(&kind) || chunk.get(content_of(kind)).is_none() {
                        let mut place = place("content");
                        place.push(json!(number));
                        reported.push(complaint(
                            "union_tag_invalid",
                            place,
                            "Input should be a content chunk",
                            chunk,
                        ));
                    }
                }
            }
            other => {
                let wanted = "Input should be a valid string or a list of chunks";
                reported.push(complaint("string_type", place("content"), wanted, other));
            }
        }
    }
    reported
}

/// The required field of a chunk of this type.
fn content_of(kind: &str) -> &str {
    match kind {
        "file" => "file_id",
        "reference" => "reference_ids",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(request: &Value) -> Vec<String> {
        let reported = complaints(request.as_object().unwrap());
        reported.iter().map(|c| format!("{} {}", c["loc"], c["msg"])).collect()
    }

    #[test]
    fn every_complaint_has_its_place() {
        let good =
            json!({ "model": "m", "messages": [{ "role": "user", "content": "x" }], "temperature": 1.5 });
        assert_eq!(reported(&good), Vec::<String>::new());
        let bad = json!({ "messages": [{ "role": "wizard", "content": "x" }, {}], "seed": 1, "temperature": 2, "response_format": { "type": "json_schema" } });
        insta::assert_snapshot!(reported(&bad).join("\n"), @r#"
        ["body","seed"] "Extra inputs are not permitted"
        ["body","model"] "Field required"
        ["body","temperature"] "Input should be less than or equal to 1.5"
        ["body","messages",0,"role"] "Input should be 'system', 'user', 'assistant' or 'tool'"
        ["body","messages",1,"role"] "Field required"
        ["body","messages",1,"content"] "Field required"
        ["body","response_format","json_schema"] "Field required"
        "#);
    }

    #[test]
    fn pictures_documents_and_tools_are_taken() {
        let chunks = json!([
            { "type": "text", "text": "What is this?" },
            { "type": "image_url", "image_url": { "url": "https://example.org/a.png" } },
            { "type": "document_url", "document_url": "https://example.org/a.pdf" },
        ]);
        let tool = json!({ "type": "function", "function": { "name": "look", "parameters": {} } });
        let good = json!({ "model": "m", "messages": [{ "role": "user", "content": chunks }], "tools": [tool], "tool_choice": "any", "n": 2, "stop": ["x"] });
        assert_eq!(reported(&good), Vec::<String>::new());
        let bad = json!({ "model": "m", "messages": [{ "role": "user", "content": [{ "type": "smell" }] }], "tools": [{}], "tool_choice": "maybe", "n": 0, "stop": 1 });
        insta::assert_snapshot!(reported(&bad).join("\n"), @r#"
        ["body","stop"] "Input should be a valid string or a list of them"
        ["body","n"] "Input should be greater than or equal to 1"
        ["body","messages",0,"content",0] "Input should be a content chunk"
        ["body","tools",0,"function"] "Field required"
        ["body","tool_choice"] "Input should be 'auto', 'none', 'any' or 'required', or name a function"
        "#);
    }
}
