//! Parses an endpoint's answer, whose body may lack much of what is documented.
//!
//! Only the text of the answer is required; a server other than Mistral's may omit the model, the usage or the
//! finish reason. The same parser reads direct answers and those in a batch job's output.

use serde_json::Value;

use super::{Endpoint, wire::TokenUsage};

/// An endpoint's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The model that answered; empty if not reported.
    pub model: String,
    /// The answer as text. For chat, all text chunks without the thinking; for tool calls without text, the JSON of a
    /// call's arguments, or a list of them for several calls. For the other endpoints, JSON: the embedding;
    /// `markdown`, `pages` and, if requested, `document_annotation`; the result of a moderation or classification.
    pub text: String,
    /// Why it ended, if reported.
    pub finish_reason: Option<String>,
    /// The tokens used; zeros if not reported.
    pub usage: TokenUsage,
    /// Of the tokens read, those billed at the lower price for cached ones.
    pub cached_tokens: u64,
    /// The service tier it was billed at, if reported.
    pub service_tier: Option<String>,
    /// The pages used.
    pub pages: u64,
    /// What had to be replaced or repaired to parse it.
    pub note: Option<String>,
    /// Why the answer cannot be used, if so; `text` is then the body.
    pub unusable: Option<String>,
}

/// Parses the body of an answer.
///
/// # Errors
/// The missing part, worded to follow "the answer …".
pub fn read_reply(endpoint: Endpoint, body: &Value) -> Result<Reply, String> {
    let text = endpoint.text(body)?;
    Ok(Reply { text, ..cost(body) })
}

/// An answer without its text: the model, the finish reason and the usage.
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

fn usage(usage: &Value) -> TokenUsage {
    let prompt_tokens = count(&usage["prompt_tokens"]);
    let completion_tokens = count(&usage["completion_tokens"]);
    let total_tokens = count(&usage["total_tokens"]).max(prompt_tokens + completion_tokens);
    TokenUsage { prompt_tokens, completion_tokens, total_tokens }
}

/// A number, or 0 if missing; capped, so that sums of a server's claims cannot overflow.
fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default().min(1 << 40)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
        let reported = read_reply(Endpoint::Chat, &body).unwrap_err();
        assert_eq!(reported, "ends with `finish_reason: tool_calls` but contains no call");
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
        let reported = |endpoint, body: Value| read_reply(endpoint, &body).unwrap_err();
        assert_eq!(reported(Endpoint::Chat, json!({ "choices": [] })), "has no `choices[0]`");
        assert_eq!(reported(Endpoint::Chat, json!({ "error": "x" })), "has no `choices[0]`");
        assert_eq!(reported(Endpoint::Chat, json!("text")), "has no `choices[0]`");
        assert_eq!(reported(Endpoint::Embed, json!({ "data": [{}] })), "has no `data[0].embedding`");
        assert_eq!(reported(Endpoint::Ocr, json!({})), "has no `pages`");
        assert_eq!(reported(Endpoint::Classify, json!(null)), "has no `results[0]`");
    }
}
