//! Requests as the service checks them: every complaint with its place, in its own shape (422).

mod chat;
mod fields;
mod others;

use serde_json::{Value, json};

use crate::mistral::wire::CHAT_PATH;

pub(crate) use others::conversations;

/// A complaint in the service's shape.
pub(crate) fn complaint(kind: &str, place: Vec<Value>, message: &str, input: &Value) -> Value {
    let mut loc = vec![json!("body")];
    loc.extend(place);
    json!({ "type": kind, "loc": loc, "msg": message, "input": input })
}

/// What is wrong with a request; empty if nothing is. Of an endpoint that there is not, nothing is known.
pub(crate) fn complaints(endpoint: &str, request: &Value) -> Vec<Value> {
    let Some(fields) = request.as_object() else {
        return vec![complaint(
            "model_attributes_type",
            vec![],
            "Input should be a valid dictionary",
            request,
        )];
    };
    match endpoint {
        CHAT_PATH => chat::complaints(fields),
        _ => others::complaints(endpoint, fields),
    }
}

/// What is wrong with a line of a file at its upload. Which endpoint it is for is not known by then, its model is
/// that of the job, and a field that the endpoint does not have is found out by the job.
pub(crate) fn complaints_at_upload(body: &Value) -> Vec<Value> {
    if ["input", "inputs", "document", "prompt", "file_url"].iter().any(|name| body.get(*name).is_some()) {
        return Vec::new();
    }
    let mut told = complaints(CHAT_PATH, body);
    told.retain(|told| told["type"] != "extra_forbidden" && told["loc"] != json!(["body", "model"]));
    told
}
