//! Lines of a job: how they are checked at upload, and how results are written.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::sim::{check, config::ErrorShape, dice::Dice, reply::Refusal};

/// A line as the service parses it: `custom_id` is optional.
#[derive(Deserialize)]
struct Read<'a> {
    #[serde(default)]
    custom_id: Option<String>,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// An accepted line of a job.
pub(crate) struct Line {
    pub(crate) custom_id: Option<String>,
    pub(crate) body: Box<str>,
}

/// The number of lines in a file, or why it is refused: the first invalid line refuses all.
pub(crate) fn check_lines(content: &[u8]) -> Result<u64, Refusal> {
    let mut count = 0;
    for (number, text) in numbered(content) {
        let at = |kind: &str, message: &str| {
            let complaint =
                json!({ "type": kind, "loc": ["file", number], "msg": message, "input": excerpt(text) });
            Refusal::complaints_within(vec![complaint])
        };
        let Ok(line) = serde_json::from_slice::<Value>(text) else {
            return Err(at("json_invalid", "Invalid JSON"));
        };
        if !line["custom_id"].is_null() && !line["custom_id"].is_string() {
            return Err(at("string_type", "`custom_id` should be a valid string"));
        }
        if !line["body"].is_object() {
            return Err(at("missing", "`body` should be a valid dictionary"));
        }
        let mut complaints = check::complaints_at_upload(&line["body"]);
        if !complaints.is_empty() {
            for complaint in &mut complaints {
                if let Some(place) = complaint["loc"].as_array_mut() {
                    place.splice(0..0, [json!("file"), json!(number)]);
                }
            }
            return Err(Refusal::complaints_within(complaints));
        }
        count += 1;
    }
    Ok(count)
}

/// The lines of a validated file.
pub(crate) fn lines(content: &[u8]) -> Vec<Line> {
    let read = numbered(content).filter_map(|(_, text)| serde_json::from_slice::<Read<'_>>(text).ok());
    read.map(|line| Line { custom_id: line.custom_id, body: line.body.get().into() }).collect()
}

/// Lines with their numbers as in an editor; empty lines are skipped.
fn numbered(content: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = content.split(|byte| *byte == b'\n').enumerate();
    lines.map(|(at, text)| (at + 1, text.trim_ascii())).filter(|(_, text)| !text.is_empty())
}

fn excerpt(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().take(80).collect()
}

/// The refusal of a valid line that fails at random.
pub(crate) fn accident(dice: &mut Dice) -> Refusal {
    let of = |status, message, kind, code| Refusal::object(status, message, kind, code);
    match dice.below(4) {
        0 => of(
            StatusCode::TOO_MANY_REQUESTS,
            "Service tier capacity exceeded for this model.",
            "service_tier_capacity_exceeded",
            "3505",
        ),
        1 => of(StatusCode::SERVICE_UNAVAILABLE, "Service unavailable.", "internal_server_error", "3200"),
        2 => of(StatusCode::GATEWAY_TIMEOUT, "The request timed out.", "timeout", "3201"),
        _ => of(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error", "internal_server_error", "3000"),
    }
}

/// A line of an output file.
pub(crate) fn answered(id: &str, custom_id: Option<&str>, body: Value) -> Value {
    let mut row = json!({ "id": id, "custom_id": custom_id, "response": { "status_code": 200, "body": null }, "error": null });
    row["response"]["body"] = body;
    row
}

/// A line of an error file, or of an output file that includes errors.
pub(crate) fn refused(id: &str, custom_id: Option<&str>, refusal: &Refusal, shape: ErrorShape) -> Value {
    let status = refusal.status.as_u16();
    let mut body = match &refusal.body["object"] {
        Value::Null => {
            json!({ "object": "error", "message": refusal.body, "type": "invalid_request_error", "code": null })
        }
        _ => refusal.body.clone(),
    };
    body["raw_status_code"] = json!(status);
    match shape {
        ErrorShape::Text => {
            json!({ "id": id, "custom_id": custom_id, "response": { "status_code": status, "body": body.to_string() }, "error": null })
        }
        ErrorShape::Object => {
            json!({ "id": id, "custom_id": custom_id, "response": { "status_code": status, "body": body }, "error": null })
        }
        ErrorShape::Bare => {
            let message = body["message"].as_str().map_or_else(|| body["message"].to_string(), str::to_owned);
            json!({ "custom_id": custom_id, "error": { "message": message } })
        }
    }
}
