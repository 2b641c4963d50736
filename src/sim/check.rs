//! Requests as the service checks them: every complaint with its place, in its own shape (422).

use serde_json::{Value, json};

/// The fields of a chat request; any other one is refused.
const FIELDS: &[&str] = &[
    "model",
    "messages",
    "temperature",
    "top_p",
    "max_tokens",
    "stream",
    "stop",
    "random_seed",
    "n",
    "presence_penalty",
    "frequency_penalty",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "reasoning_effort",
    "prediction",
    "prompt_mode",
    "prompt_cache_key",
    "service_tier",
    "metadata",
    "guardrails",
    "safe_prompt",
];

/// What is wrong with a line of a file at its upload. Which endpoint it is for is not known by then, its model is
/// that of the job, and a field that the endpoint does not have is found out by the job.
pub(super) fn complaints_at_upload(body: &Value) -> Vec<Value> {
    if ["input", "inputs", "document", "prompt", "file_url"].iter().any(|name| body.get(*name).is_some()) {
        return Vec::new();
    }
    let mut told = complaints(body);
    told.retain(|told| told["type"] != "extra_forbidden" && told["loc"] != json!(["body", "model"]));
    told
}

/// A complaint in the service's shape.
pub(super) fn complaint(kind: &str, place: Vec<Value>, message: &str, input: &Value) -> Value {
    let mut loc = vec![json!("body")];
    loc.extend(place);
    json!({ "type": kind, "loc": loc, "msg": message, "input": input })
}

const ROLES: &[&str] = &["system", "user", "assistant", "tool"];

/// What is wrong with a request; empty if nothing is.
pub(super) fn complaints(request: &Value) -> Vec<Value> {
    let mut told = Vec::new();
    let mut tell = |kind: &str, place: Vec<Value>, message: String, input: &Value| {
        told.push(complaint(kind, place, &message, input));
    };
    let Some(fields) = request.as_object() else {
        tell("model_attributes_type", vec![], "Input should be a valid dictionary".into(), request);
        return told;
    };
    for (name, value) in fields {
        if !FIELDS.contains(&name.as_str()) {
            tell("extra_forbidden", vec![json!(name)], "Extra inputs are not permitted".into(), value);
        }
    }
    match fields.get("model") {
        None => tell("missing", vec![json!("model")], "Field required".into(), request),
        Some(Value::String(_)) => {}
        Some(other) => {
            tell("string_type", vec![json!("model")], "Input should be a valid string".into(), other);
        }
    }
    match fields.get("messages") {
        None => tell("missing", vec![json!("messages")], "Field required".into(), request),
        Some(Value::Array(messages)) if messages.is_empty() => {
            let message = "List should have at least 1 item after validation, not 0";
            tell("too_short", vec![json!("messages")], message.into(), &json!([]));
        }
        Some(Value::Array(messages)) => {
            for (at, message) in messages.iter().enumerate() {
                let place = |name: &str| vec![json!("messages"), json!(at), json!(name)];
                match &message["role"] {
                    Value::String(role) if ROLES.contains(&role.as_str()) => {}
                    Value::Null => tell("missing", place("role"), "Field required".into(), message),
                    other => {
                        let wanted = "Input should be 'system', 'user', 'assistant' or 'tool'";
                        tell("enum", place("role"), wanted.into(), other);
                    }
                }
                if message["content"].is_null() && message["role"] != "assistant" {
                    tell("missing", place("content"), "Field required".into(), message);
                }
            }
        }
        Some(other) => {
            tell("list_type", vec![json!("messages")], "Input should be a valid list".into(), other);
        }
    }
    for (name, low, high) in [("temperature", 0.0, 1.5), ("top_p", 0.0, 1.0), ("max_tokens", 0.0, f64::MAX)] {
        match fields.get(name) {
            None | Some(Value::Null) => {}
            Some(value) => match value.as_f64() {
                None => tell("float_type", vec![json!(name)], "Input should be a valid number".into(), value),
                Some(number) if number < low => {
                    tell(
                        "greater_than_equal",
                        vec![json!(name)],
                        format!("Input should be greater than or equal to {low}"),
                        value,
                    );
                }
                Some(number) if number > high => {
                    tell(
                        "less_than_equal",
                        vec![json!(name)],
                        format!("Input should be less than or equal to {high}"),
                        value,
                    );
                }
                Some(_) => {}
            },
        }
    }
    if let Some(format) = fields.get("response_format").filter(|format| !format.is_null()) {
        let place = |name: &str| vec![json!("response_format"), json!(name)];
        match format["type"].as_str() {
            Some("text" | "json_object") => {}
            Some("json_schema") if format["json_schema"]["schema"].is_object() => {}
            Some("json_schema") => tell("missing", place("json_schema"), "Field required".into(), format),
            _ => tell(
                "enum",
                place("type"),
                "Input should be 'text', 'json_object' or 'json_schema'".into(),
                &format["type"],
            ),
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_complaint_has_its_place() {
        let good =
            json!({ "model": "m", "messages": [{ "role": "user", "content": "x" }], "temperature": 1.5 });
        assert_eq!(complaints(&good), Vec::<Value>::new());
        let bad = json!({ "messages": [{ "role": "wizard", "content": "x" }, {}], "seed": 1, "temperature": 2, "response_format": { "type": "json_schema" } });
        let told: Vec<String> =
            complaints(&bad).iter().map(|c| format!("{} {}", c["loc"], c["msg"])).collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        ["body","seed"] "Extra inputs are not permitted"
        ["body","model"] "Field required"
        ["body","messages",0,"role"] "Input should be 'system', 'user', 'assistant' or 'tool'"
        ["body","messages",1,"role"] "Field required"
        ["body","messages",1,"content"] "Field required"
        ["body","temperature"] "Input should be less than or equal to 1.5"
        ["body","response_format","json_schema"] "Field required"
        "#);
    }
}
