//! Which fields of a chat request belong to its identity, by which a paid answer is found again. Main item:
//! [`FIELDS`], shared by the code, the docs and a test.

/// A field of a chat request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldIdentity {
    /// Its name.
    pub name: &'static str,
    /// Whether it belongs to the identity: another value makes another request.
    pub counts: bool,
    /// Why.
    pub why: &'static str,
}

const fn counts(name: &'static str, why: &'static str) -> FieldIdentity {
    FieldIdentity { name, counts: true, why }
}

const fn beside(name: &'static str, why: &'static str) -> FieldIdentity {
    FieldIdentity { name, counts: false, why }
}

/// All fields, in the order sent.
pub const FIELDS: &[FieldIdentity] = &[
    counts("model", "another model answers"),
    counts("messages", "the question"),
    counts("temperature", "changes the choice of tokens"),
    counts("top_p", "changes the choice of tokens"),
    counts("max_tokens", "cuts the answer"),
    counts("random_seed", "changes the choice of tokens"),
    counts("response_format", "the schema of the answer"),
    counts("stop", "ends the answer"),
    counts("n", "the number of answers"),
    counts("presence_penalty", "changes the choice of tokens"),
    counts("frequency_penalty", "changes the choice of tokens"),
    counts("tools", "what the model may call"),
    counts("tool_choice", "what the model must call"),
    counts("parallel_tool_calls", "what the model may call"),
    counts("reasoning_effort", "changes the reasoning"),
    counts("prompt_mode", "adds a system prompt"),
    counts("prediction", "may change the answer"),
    beside("prompt_cache_key", "changes the price, not the answer"),
    beside("service_tier", "changes the price and the speed, not the answer"),
    counts("guardrails", "may refuse the answer"),
    beside("metadata", "is kept beside the request"),
    counts("safe_prompt", "adds a system prompt"),
    counts("stream", "is never sent"),
];

/// Whether a field belongs to the identity; an unknown one does.
pub fn is_identity(name: &str) -> bool {
    FIELDS.iter().find(|field| field.name == name).is_none_or(|field| field.counts)
}

/// The table for the docs.
pub fn identity_table() -> String {
    let mut table = "| field | part of the identity | |\n|---|---|---|\n".to_owned();
    for FieldIdentity { name, counts, why } in FIELDS {
        let counts = if *counts { "yes" } else { "**no**" };
        table.push_str(&format!("| `{name}` | {counts} | {why} |\n"));
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::mistral::wire::ChatRequest;

    #[test]
    fn every_field_of_a_request_is_in_the_table_in_its_order() {
        let all = json!({
            "model": "m", "messages": [], "temperature": 0.1, "top_p": 1.0, "max_tokens": 1, "random_seed": 1,
            "response_format": { "type": "text" }, "stop": "a", "n": 2, "presence_penalty": 0.5,
            "frequency_penalty": -0.5, "tools": [], "tool_choice": "auto", "parallel_tool_calls": true,
            "reasoning_effort": "none", "prompt_mode": "reasoning",
            "prediction": { "type": "content", "content": "x" }, "prompt_cache_key": "k",
            "service_tier": "standard_only", "guardrails": [], "metadata": {}, "safe_prompt": true, "stream": false
        });
        let request: ChatRequest = serde_json::from_value(all).unwrap();
        // Without `..`: a new field of the request fails to compile here.
        let ChatRequest {
            model: _,
            messages: _,
            temperature: _,
            top_p: _,
            max_tokens: _,
            random_seed: _,
            response_format: _,
            stop: _,
            n: _,
            presence_penalty: _,
            frequency_penalty: _,
            tools: _,
            tool_choice: _,
            parallel_tool_calls: _,
            reasoning_effort: _,
            prompt_mode: _,
            prediction: _,
            prompt_cache_key: _,
            service_tier: _,
            guardrails: _,
            metadata: _,
            safe_prompt: _,
            stream: _,
        } = &request;
        let sent: Value = serde_json::to_value(&request).unwrap();
        let sent: Vec<&str> = sent.as_object().unwrap().keys().map(String::as_str).collect();
        let table: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
        assert_eq!(sent, table);
    }
}
