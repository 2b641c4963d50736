//! Streamed answers: server-sent events, if `stream` is set.

use axum::{
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// The number of chunks of a text.
const PIECES: usize = 5;

/// The events of an answer; the last one has the finish reason and the usage.
pub(crate) fn events(answer: &Value) -> Response {
    let mut text = String::new();
    for choice in answer["choices"].as_array().into_iter().flatten() {
        let message = &choice["message"];
        let chars: Vec<char> = message["content"].as_str().unwrap_or_default().chars().collect();
        for piece in chars.chunks(chars.len().div_ceil(PIECES).max(1)) {
            let piece: String = piece.iter().collect();
            push(&mut text, answer, choice, &json!({ "role": "assistant", "content": piece }), false);
        }
        // Content that is not a string is sent in one chunk.
        let rest = match message["content"].is_string() {
            true => json!({ "content": "", "tool_calls": message["tool_calls"] }),
            false => json!({ "content": message["content"] }),
        };
        push(&mut text, answer, choice, &rest, true);
    }
    text.push_str("data: [DONE]\n\n");
    ([(CONTENT_TYPE, "text/event-stream; charset=utf-8")], text).into_response()
}

fn push(text: &mut String, answer: &Value, choice: &Value, delta: &Value, last: bool) {
    let mut event = json!({
        "id": answer["id"],
        "object": "chat.completion.chunk",
        "created": answer["created"],
        "model": answer["model"],
        "choices": [{
            "index": choice["index"],
            "delta": delta,
            "finish_reason": if last { &choice["finish_reason"] } else { &Value::Null },
        }],
    });
    if last {
        event["usage"] = answer["usage"].clone();
    }
    text.push_str(&format!("data: {event}\n\n"));
}
