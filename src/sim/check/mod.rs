//! Validation of requests as in the service: every complaint with its place, in the service's shape (422).

pub(crate) mod chat;
pub(crate) mod fields;
pub(crate) mod others;

use serde_json::{Value, json};

pub(crate) use others::conversations;

/// A complaint in the service's shape.
pub(crate) fn complaint(kind: &str, place: Vec<Value>, message: &str, input: &Value) -> Value {
    let mut loc = vec![json!("body")];
    loc.extend(place);
    json!({ "type": kind, "loc": loc, "msg": message, "input": input })
}

/// The complaint about a request that is not an object.
pub(crate) fn no_object(request: &Value) -> Value {
    complaint("model_attributes_type", vec![], "Input should be a valid dictionary", request)
}

/// Complaints about a line of a file at its upload. The endpoint is not known yet, the model is that of the job,
/// and unknown fields are found by the job.
pub(crate) fn complaints_at_upload(body: &Value) -> Vec<Value> {
    if ["input", "inputs", "document", "prompt", "file_url"].iter().any(|name| body.get(*name).is_some()) {
        return Vec::new();
    }
    let mut reported = body.as_object().map_or_else(|| vec![no_object(body)], chat::complaints);
    reported.retain(|reported| {
        reported["type"] != "extra_forbidden" && reported["loc"] != json!(["body", "model"])
    });
    reported
}
