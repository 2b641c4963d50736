//! What an endpoint's answer says, out of a body that may lack much of what is documented.
//!
//! Only the useful part is required; a server that is not Mistral's own may leave out the model, the
//! usage, the reason why an answer ended. The same reader serves answers that come at once and those
//! out of a batch job's output.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Endpoint,
    wire::{Content, TokenUsage},
};

/// What an endpoint said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The model that answered; empty where the server does not say.
    pub model: String,
    /// The answer as text. For chat it is all text chunks, without the thinking; for an answer that is
    /// tool calls and no text, the JSON of a call's arguments, or of a list of them for several calls.
    /// For the other endpoints it is JSON: the embedding; `markdown`, `pages` and, if asked for,
    /// `document_annotation`; the result of a moderation or classification.
    pub text: String,
    /// Why it ended, where the endpoint says so.
    pub finish_reason: Option<String>,
    /// What it cost in tokens; zeros where the server does not say.
    pub usage: TokenUsage,
    /// Of the tokens that were read, those that cost less because the service had read them before.
    pub cached_tokens: u64,
    /// The tier that it was charged by, where the service says so.
    pub service_tier: Option<String>,
    /// What it cost in pages.
    pub pages: u64,
    /// What had to be replaced or repaired to read it.
    pub note: Option<String>,
    /// Why it is an answer and of no use, where that is so; then `text` is what came.
    pub unusable: Option<String>,
}

/// Reads the body of an answer.
///
/// # Errors
/// Which part is missing, as an end to "the answer …".
pub fn read_reply(endpoint: Endpoint, body: &Value) -> Result<Reply, String> {
    let text = match endpoint {
        Endpoint::Chat => chat(body)?,
        Endpoint::Embed => first(body, "data")?
            .get("embedding")
            .filter(|embedding| embedding.is_array() || embedding.is_string())
            .ok_or_else(|| lacks("data[0].embedding"))?
            .to_string(),
        Endpoint::Ocr => ocr(body)?,
        Endpoint::Moderate => flagged(first(body, "results")?).to_string(),
        Endpoint::Classify => first(body, "results")?.to_string(),
    };
    Ok(Reply { text, ..cost(body) })
}

/// An answer without its text: who gave it, why it ended, what it cost.
pub(super) fn cost(body: &Value) -> Reply {
    let usage = usage(&body["usage"]);
    let details = &body["usage"]["prompt_tokens_details"]["cached_tokens"];
    let cached = count(details).max(count(&body["usage"]["num_cached_tokens"]));
    Reply {
        model: body["model"].as_str().unwrap_or_default().to_owned(),
        text: String::new(),
        finish_reason: body["choices"][0]["finish_reason"].as_str().map(str::to_owned),
        usage,
        cached_tokens: cached.min(usage.prompt_tokens),
        service_tier: body["usage"]["service_tier"].as_str().map(str::to_owned),
        pages: count(&body["usage_info"]["pages_processed"]),
        note: None,
        unusable: None,
    }
}

fn lacks(part: &str) -> String {
    format!("has no `{part}`")
}

fn first<'a>(body: &'a Value, list: &str) -> Result<&'a Value, String> {
    body[list].get(0).ok_or_else(|| lacks(&format!("{list}[0]")))
}

fn chat(body: &Value) -> Result<String, String> {
    let choice = first(body, "choices")?;
    // The shape of older servers has the text beside the message's place.
    let message = match (choice.get("message"), choice.get("text")) {
        (Some(message), _) => message,
        (None, Some(Value::String(text))) => return Ok(text.clone()),
        (None, _) => return Err(lacks("choices[0].message")),
    };
    let text = match &message["content"] {
        Value::Null => String::new(),
        // One chunk that is not in a list.
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
        // What is said before a call that never came is half an answer.
        [] if choice["finish_reason"] == "tool_calls" => {
            return Err("ends with `finish_reason: tool_calls` and holds no call".to_owned());
        }
        [] => text,
        _ if !text.trim().is_empty() => text,
        [call] => arguments(call),
        _ => format!("[{}]", calls.into_iter().map(arguments).collect::<Vec<_>>().join(",")),
    })
}

/// The arguments of a tool call: an object, or a text that holds one.
fn arguments(call: &Value) -> String {
    call.as_str().map_or_else(|| call.to_string(), str::to_owned)
}

fn ocr(body: &Value) -> Result<String, String> {
    let pages = body["pages"].as_array().ok_or_else(|| lacks("pages"))?;
    let texts: Vec<&str> = pages.iter().filter_map(|page| page["markdown"].as_str()).collect();
    let mut found = Map::new();
    found.insert("markdown".to_owned(), Value::from(texts.join("\n\n")));
    found.insert("pages".to_owned(), json!(pages));
    match &body["document_annotation"] {
        Value::Null => {}
        // JSON within a string, if the model kept to what was asked for.
        Value::String(text) => {
            let read = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str()));
            found.insert("document_annotation".to_owned(), read);
        }
        other => drop(found.insert("document_annotation".to_owned(), other.clone())),
    }
    Ok(Value::Object(found).to_string())
}

fn usage(usage: &Value) -> TokenUsage {
    let prompt_tokens = count(&usage["prompt_tokens"]);
    let completion_tokens = count(&usage["completion_tokens"]);
    let total_tokens = count(&usage["total_tokens"]).max(prompt_tokens + completion_tokens);
    TokenUsage { prompt_tokens, completion_tokens, total_tokens }
}

/// A number that is there, or none; capped, so that sums of what a server claims cannot overflow.
fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default().min(1 << 40)
}

/// A moderation with `flagged`: whether any category is true.
fn flagged(result: &Value) -> Value {
    let mut result = result.clone();
    let categories = result["categories"].as_object();
    let any = categories.is_some_and(|categories| categories.values().any(|value| value == true));
    if let Some(fields) = result.as_object_mut() {
        fields.insert("flagged".to_owned(), any.into());
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(endpoint: Endpoint, body: &Value) -> String {
        read_reply(endpoint, body).unwrap().text
    }

    fn said(message: &Value) -> Value {
        json!({ "model": "m", "choices": [{ "message": message, "finish_reason": "stop" }] })
    }

    #[test]
    fn text_chunks_are_joined_and_thinking_is_left_out() {
        let chunks = json!([
            { "type": "thinking", "thinking": [{ "type": "text", "text": "hm" }] },
            { "type": "text", "text": "two " },
            { "type": "reference", "reference_ids": [1] },
            { "type": "text", "text": "parts" }
        ]);
        assert_eq!(text(Endpoint::Chat, &said(&json!({ "content": chunks }))), "two parts");
        assert_eq!(text(Endpoint::Chat, &said(&json!({ "content": "one" }))), "one");
        assert_eq!(text(Endpoint::Chat, &said(&json!({ "content": null }))), "");
    }

    #[test]
    fn tool_calls_without_text_are_their_arguments() {
        let call = |arguments: Value| json!({ "function": { "name": "f", "arguments": arguments } });
        let one = json!({ "content": "", "tool_calls": [call(json!("{\"a\":1}"))] });
        assert_eq!(text(Endpoint::Chat, &said(&one)), "{\"a\":1}");
        let two = json!({ "content": null, "tool_calls": [call(json!({ "a": 1 })), call(json!("{}"))] });
        assert_eq!(text(Endpoint::Chat, &said(&two)), "[{\"a\":1},{}]");
        let both = json!({ "content": "so", "tool_calls": [call(json!({}))] });
        assert_eq!(text(Endpoint::Chat, &said(&both)), "so");
    }

    #[test]
    fn content_in_another_form_is_read_and_thinking_is_not() {
        for content in [
            json!({ "text": "yes" }),
            json!({ "type": "text", "text": "yes" }),
            json!([{ "text": "yes" }]),
            json!(["y", "es"]),
        ] {
            assert_eq!(text(Endpoint::Chat, &said(&json!({ "content": content }))), "yes", "{content}");
        }
        let older = json!({ "choices": [{ "text": "yes" }] });
        assert_eq!(text(Endpoint::Chat, &older), "yes");
        for thinking in [
            json!({ "content": null, "reasoning_content": "hm" }),
            json!({ "content": { "type": "thinking", "text": "hm" } }),
            json!({ "content": [{ "type": "thinking", "thinking": "hm", "text": "hm" }] }),
        ] {
            assert_eq!(text(Endpoint::Chat, &said(&thinking)), "", "{thinking}");
        }
    }

    #[test]
    fn a_call_that_never_came_is_half_an_answer() {
        let body =
            json!({ "choices": [{ "message": { "content": "I will" }, "finish_reason": "tool_calls" }] });
        let told = read_reply(Endpoint::Chat, &body).unwrap_err();
        assert_eq!(told, "ends with `finish_reason: tool_calls` and holds no call");
    }

    #[test]
    fn a_server_may_leave_out_model_usage_and_reason() {
        let body = json!({ "choices": [{ "message": { "content": "x" } }], "usage": null });
        let reply = read_reply(Endpoint::Chat, &body).unwrap();
        assert_eq!(
            reply,
            Reply {
                model: String::new(),
                text: "x".to_owned(),
                finish_reason: None,
                usage: TokenUsage::default(),
                cached_tokens: 0,
                service_tier: None,
                pages: 0,
                note: None,
                unusable: None,
            }
        );
        let body = json!({ "choices": [{ "message": { "content": "x" } }],
            "usage": { "prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": {}, "total_tokens": "?" } });
        assert_eq!(read_reply(Endpoint::Chat, &body).unwrap().usage.total_tokens, 7);
    }

    #[test]
    fn the_other_endpoints_give_json() {
        let embedding = json!({ "model": "mistral-embed", "data": [{ "embedding": [0.5, 1], "index": 0 }] });
        assert_eq!(text(Endpoint::Embed, &embedding), "[0.5,1]");
        let ocr = json!({
            "model": "mistral-ocr-2512",
            "pages": [{ "index": 0, "markdown": "# A" }, { "index": 1, "markdown": "b" }],
            "document_annotation": "{\"kind\":\"letter\"}",
            "usage_info": { "pages_processed": 2, "doc_size_bytes": null }
        });
        let reply = read_reply(Endpoint::Ocr, &ocr).unwrap();
        assert_eq!(reply.pages, 2);
        let value: Value = serde_json::from_str(&reply.text).unwrap();
        assert_eq!(value["markdown"], "# A\n\nb");
        assert_eq!(value["pages"][1]["index"], 1);
        assert_eq!(value["document_annotation"]["kind"], "letter");
        let moderation = json!({ "results": [{ "categories": { "pii": true } }] });
        assert_eq!(text(Endpoint::Moderate, &moderation), "{\"categories\":{\"pii\":true},\"flagged\":true}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let told = |endpoint, body: Value| read_reply(endpoint, &body).unwrap_err();
        assert_eq!(told(Endpoint::Chat, json!({ "choices": [] })), "has no `choices[0]`");
        assert_eq!(told(Endpoint::Chat, json!({ "error": "x" })), "has no `choices[0]`");
        assert_eq!(told(Endpoint::Chat, json!("text")), "has no `choices[0]`");
        assert_eq!(told(Endpoint::Embed, json!({ "data": [{}] })), "has no `data[0].embedding`");
        assert_eq!(told(Endpoint::Ocr, json!({})), "has no `pages`");
        assert_eq!(told(Endpoint::Classify, json!(null)), "has no `results[0]`");
    }
}
