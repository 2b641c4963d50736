//! Validation of requests to endpoints other than chat.

use serde_json::{Map, Value, json};

use crate::sim::check::{
    chat::messages_complaints,
    complaint,
    fields::{self, Field, Kind, optional, required},
};

const EMBEDDINGS: &[Field] = &[
    required("model", Kind::Text),
    required("input", Kind::TextOrTexts),
    optional("metadata", Kind::Object),
    optional("output_dimension", Kind::Whole(1)),
    optional("output_dtype", Kind::Choice(&["float", "int8", "uint8", "binary", "ubinary"])),
    optional("encoding_format", Kind::Choice(&["float", "base64"])),
];

const OCR: &[Field] = &[
    required("model", Kind::Any),
    required("document", Kind::Object),
    optional("pages", Kind::Any),
    optional("include_image_base64", Kind::Flag),
    optional("image_limit", Kind::Whole(0)),
    optional("image_min_size", Kind::Whole(0)),
    optional("bbox_annotation_format", Kind::Object),
    optional("document_annotation_format", Kind::Object),
    optional("document_annotation_prompt", Kind::Text),
    optional("table_format", Kind::Choice(&["markdown", "html"])),
    optional("extract_header", Kind::Flag),
    optional("extract_footer", Kind::Flag),
    optional("include_blocks", Kind::Flag),
    optional("confidence_scores_granularity", Kind::Choice(&["word", "page", "block"])),
];

/// The fields of moderations and classifications.
const TEXTS: &[Field] = &[
    required("model", Kind::Text),
    required("input", Kind::TextOrTexts),
    optional("metadata", Kind::Object),
];

const CHATS: &[Field] = &[required("model", Kind::Text), required("input", Kind::Any)];

const FIM: &[Field] = &[
    required("model", Kind::Text),
    required("prompt", Kind::Text),
    optional("suffix", Kind::Text),
    optional("temperature", Kind::Number(0.0, 1.5)),
    optional("top_p", Kind::Number(0.0, 1.0)),
    optional("max_tokens", Kind::Whole(0)),
    optional("min_tokens", Kind::Whole(0)),
    optional("stream", Kind::Flag),
    optional("stop", Kind::TextOrTexts),
    optional("random_seed", Kind::Whole(0)),
    optional("metadata", Kind::Object),
    optional("prompt_cache_key", Kind::Text),
];

pub(crate) fn complaints(endpoint: &str, request: &Map<String, Value>) -> Vec<Value> {
    let fields = match endpoint {
        "/v1/embeddings" => EMBEDDINGS,
        "/v1/ocr" => OCR,
        "/v1/moderations" | "/v1/classifications" => TEXTS,
        "/v1/chat/moderations" | "/v1/chat/classifications" => CHATS,
        "/v1/fim/completions" => FIM,
        _ => return Vec::new(),
    };
    let mut reported = fields::complaints(fields, request);
    match (endpoint, request.get("document"), request.get("input")) {
        ("/v1/ocr", Some(document), _) => reported.extend(document_complaint(document)),
        ("/v1/chat/moderations" | "/v1/chat/classifications", _, Some(input)) => {
            for conversation in conversations(input) {
                reported.extend(messages_complaints(&conversation));
            }
            if conversations(input).is_empty() {
                let wanted = "Input should be a list of messages";
                reported.push(complaint("list_type", vec![json!("input")], wanted, input));
            }
        }
        (_, _, Some(Value::Array(texts))) if texts.is_empty() => {
            let wanted = "List should have at least 1 item after validation, not 0";
            reported.push(complaint("too_short", vec![json!("input")], wanted, &json!([])));
        }
        _ => {}
    }
    reported
}

/// The conversations of an input: a list of messages, a list of such lists, or an object with either.
pub(crate) fn conversations(input: &Value) -> Vec<Vec<Value>> {
    let list = |value: &Value| value.as_array().or_else(|| value["messages"].as_array()).cloned();
    match input {
        Value::Array(items) if items.iter().all(|item| item.get("role").is_some()) && !items.is_empty() => {
            vec![items.clone()]
        }
        Value::Array(items) => items.iter().filter_map(list).collect(),
        Value::Object(_) => list(input).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn document_complaint(document: &Value) -> Option<Value> {
    let name = match document["type"].as_str() {
        Some("file") => "file_id",
        Some("image_url") => "image_url",
        Some("document_url") | None => "document_url",
        Some(_) => {
            let wanted = "Input should be 'file', 'document_url' or 'image_url'";
            return Some(complaint(
                "enum",
                vec![json!("document"), json!("type")],
                wanted,
                &document["type"],
            ));
        }
    };
    let place = vec![json!("document"), json!(name)];
    document.get(name).is_none().then(|| complaint("missing", place, "Field required", document))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_objects_are_closed() {
        let reported = |endpoint: &str, request: Value| {
            let reported = complaints(endpoint, request.as_object().unwrap());
            reported.iter().map(|c| format!("{} {}", c["type"], c["loc"])).collect::<Vec<_>>().join(" ")
        };
        let message = json!([{ "role": "user", "content": "x" }]);
        assert_eq!(reported("/v1/embeddings", json!({ "model": "m", "input": ["a", "b"] })), "");
        assert_eq!(
            reported("/v1/ocr", json!({ "model": null, "document": { "type": "file", "file_id": "x" } })),
            ""
        );
        assert_eq!(reported("/v1/moderations", json!({ "model": "m", "input": "a" })), "");
        assert_eq!(
            reported("/v1/chat/moderations", json!({ "model": "m", "input": [message.clone(), message] })),
            ""
        );
        insta::assert_snapshot!(reported("/v1/embeddings", json!({ "model": "m", "input": [1], "inputs": [] })), @r#""extra_forbidden" ["body","inputs"] "string_type" ["body","input"]"#);
        insta::assert_snapshot!(reported("/v1/ocr", json!({ "model": "m", "document": { "type": "scroll" } })), @r#""enum" ["body","document","type"]"#);
        insta::assert_snapshot!(reported("/v1/chat/moderations", json!({ "model": "m", "input": "a" })), @r#""list_type" ["body","input"]"#);
        insta::assert_snapshot!(reported("/v1/moderations", json!({ "model": "m", "input": [] })), @r#""too_short" ["body","input"]"#);
    }
}
