//! An answer that is written out, in the form of its endpoint.

use serde_json::{Value, json};

use crate::sim::{
    answer::{Given, id, model, prompt_tokens, tokens, usage},
    dice::Dice,
};

pub(crate) fn answer(endpoint: &str, request: &Value, text: &str, dice: &mut Dice) -> Given {
    let usage = usage(prompt_tokens(request), tokens(text.len()));
    let read = || serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    let mut response = match endpoint {
        "/v1/embeddings" => {
            json!({ "object": "list", "data": [{ "object": "embedding", "embedding": read(), "index": 0 }] })
        }
        "/v1/ocr" => {
            let result: Value = read();
            let markdown = result["markdown"].as_str().unwrap_or(text);
            let pages = match &result["pages"] {
                Value::Array(pages) => json!(pages),
                _ => json!([{ "index": 0, "markdown": markdown }]),
            };
            let count = pages.as_array().map_or(0, Vec::len);
            json!({ "pages": pages, "usage_info": { "pages_processed": count, "doc_size_bytes": null } })
        }
        "/v1/moderations" | "/v1/chat/moderations" | "/v1/classifications" | "/v1/chat/classifications" => {
            json!({ "results": [read()] })
        }
        _ => json!({
            "object": "chat.completion",
            "created": jiff::Timestamp::now().as_second(),
            "choices": [{
                "index": 0,
                "message": { "role": "assistant", "content": text, "tool_calls": null },
                "finish_reason": "stop",
            }],
        }),
    };
    response["id"] = id(dice).into();
    response["model"] = model(request).into();
    if endpoint != "/v1/ocr" {
        response["usage"] = json!(usage);
    }
    Given { response, usage, misfit: false }
}
