//! Validation of `POST /v1/batch/jobs`, as in the service.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::{
    mistral::wire::MAX_INLINE_REQUESTS,
    sim::{batch::line::Line, check::complaint, endpoint::find},
};

const FIELDS: &[&str] =
    &["input_files", "requests", "endpoint", "model", "agent_id", "metadata", "timeout_hours"];

/// The endpoints documented by the service.
const ENDPOINTS: &[&str] = &[
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/fim/completions",
    "/v1/moderations",
    "/v1/chat/moderations",
    "/v1/ocr",
    "/v1/classifications",
    "/v1/chat/classifications",
    "/v1/conversations",
    "/v1/audio/transcriptions",
];

/// A requested job.
pub(crate) struct Wanted {
    pub(crate) endpoint: String,
    pub(crate) model: String,
    pub(crate) input_files: Vec<String>,
    pub(crate) requests: Vec<Line>,
    pub(crate) metadata: Option<Map<String, Value>>,
    pub(crate) timeout: Duration,
}

/// The requested job, or all complaints about it.
pub(crate) fn read(request: &Value) -> Result<Wanted, Vec<Value>> {
    let Some(fields) = request.as_object() else {
        return Err(vec![complaint(
            "model_attributes_type",
            vec![],
            "Input should be a valid dictionary",
            request,
        )]);
    };
    let mut reported = Vec::new();
    let mut tell = |kind: &str, place: &[Value], message: &str, input: &Value| {
        reported.push(complaint(kind, place.to_vec(), message, input));
    };
    for (name, value) in fields.iter().filter(|(name, _)| !FIELDS.contains(&name.as_str())) {
        tell("extra_forbidden", &[json!(name)], "Extra inputs are not permitted", value);
    }
    let given = |name: &str| fields.get(name).filter(|value| !value.is_null());
    let endpoint = given("endpoint").and_then(Value::as_str).unwrap_or_default();
    match given("endpoint") {
        None => tell("missing", &[json!("endpoint")], "Field required", request),
        Some(_) if ENDPOINTS.contains(&endpoint) || find(endpoint).is_some_and(|found| found.in_jobs) => {}
        Some(other) => {
            let message = format!("Input should be {}", ENDPOINTS.join(", "));
            tell("enum", &[json!("endpoint")], &message, other);
        }
    }
    match given("model") {
        None if given("agent_id").is_none() => {
            tell("value_error", &[], "Value error, either model or agent_id must be given", request);
        }
        None | Some(Value::String(_)) => {}
        Some(other) => tell("string_type", &[json!("model")], "Input should be a valid string", other),
    }
    let hours = given("timeout_hours").unwrap_or(&json!(24)).as_u64();
    if !hours.is_some_and(|hours| (1..=168).contains(&hours)) {
        let message = "Input should be a valid integer from 1 to 168";
        tell("int_range", &[json!("timeout_hours")], message, given("timeout_hours").unwrap_or(&Value::Null));
    }
    let metadata = given("metadata");
    match metadata.map(Value::as_object) {
        None => {}
        Some(None) => {
            tell(
                "dict_type",
                &[json!("metadata")],
                "Input should be a valid dictionary",
                metadata.unwrap_or(request),
            );
        }
        Some(Some(metadata)) => {
            for (key, value) in metadata {
                let place = [json!("metadata"), json!(key)];
                if !(1..=32).contains(&key.chars().count()) {
                    tell("string_length", &place, "Key should have 1 to 32 characters", &json!(key));
                }
                match value.as_str().map(|text| text.chars().count()) {
                    None => tell("string_type", &place, "Input should be a valid string", value),
                    Some(1..=512) => {}
                    Some(_) => tell("string_length", &place, "String should have 1 to 512 characters", value),
                }
            }
        }
    }
    let mut input_files = Vec::new();
    let mut requests = Vec::new();
    match (given("input_files"), given("requests")) {
        (Some(_), Some(_)) | (None, None) => {
            tell(
                "value_error",
                &[],
                "Value error, exactly one of input_files and requests must be given",
                request,
            );
        }
        (Some(Value::Array(files)), None) if !files.is_empty() => {
            for (at, file) in files.iter().enumerate() {
                match file.as_str() {
                    Some(id) if is_uuid(id) => input_files.push(id.to_owned()),
                    _ => tell(
                        "uuid_parsing",
                        &[json!("input_files"), json!(at)],
                        "Input should be a valid UUID",
                        file,
                    ),
                }
            }
        }
        (None, Some(Value::Array(inline))) if (1..=MAX_INLINE_REQUESTS).contains(&inline.len()) => {
            for (at, request) in inline.iter().enumerate() {
                let custom_id = request["custom_id"].as_str().map(str::to_owned);
                let place = |name: &str| [json!("requests"), json!(at), json!(name)];
                if custom_id.is_none() && !request["custom_id"].is_null() {
                    tell(
                        "string_type",
                        &place("custom_id"),
                        "Input should be a valid string",
                        &request["custom_id"],
                    );
                }
                match request["body"].is_object() {
                    true => requests.push(Line { custom_id, body: request["body"].to_string().into() }),
                    false => tell("dict_type", &place("body"), "Input should be a valid dictionary", request),
                }
            }
        }
        (None, Some(Value::Array(inline))) => {
            let message = format!("List should have 1 to {MAX_INLINE_REQUESTS} items, not {}", inline.len());
            tell("list_length", &[json!("requests")], &message, &json!(inline.len()));
        }
        (Some(other), None) => {
            tell("list_type", &[json!("input_files")], "Input should be a list of at least one", other);
        }
        (None, Some(other)) => tell("list_type", &[json!("requests")], "Input should be a valid list", other),
    }
    if !reported.is_empty() {
        return Err(reported);
    }
    Ok(Wanted {
        endpoint: endpoint.to_owned(),
        model: given("model").and_then(Value::as_str).unwrap_or_default().to_owned(),
        input_files,
        requests,
        metadata: metadata.and_then(Value::as_object).cloned(),
        timeout: Duration::from_secs(3600 * hours.unwrap_or(24)),
    })
}

/// Whether it has the form of a UUID; the service distinguishes malformed ids from missing ones.
pub(crate) fn is_uuid(id: &str) -> bool {
    let groups: Vec<&str> = id.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_refused_with_everything_that_is_wrong() {
        let good = json!({ "endpoint": "/v1/ocr", "model": "m", "requests": [{ "body": {} }], "metadata": { "a": "b" } });
        assert!(read(&good).is_ok());
        let bad = json!({
            "endpoint": "/v1/poems", "completion_window": "24h", "timeout_hours": 200,
            "metadata": { "": "x", "b": 1, "c": "" },
            "input_files": ["x"], "requests": null,
        });
        let reported = read(&bad).err().unwrap_or_default();
        let reported: Vec<String> = reported.iter().map(|c| format!("{} {}", c["type"], c["loc"])).collect();
        insta::assert_snapshot!(reported.join("\n"), @r#"
        "extra_forbidden" ["body","completion_window"]
        "enum" ["body","endpoint"]
        "value_error" ["body"]
        "int_range" ["body","timeout_hours"]
        "string_length" ["body","metadata",""]
        "string_type" ["body","metadata","b"]
        "string_length" ["body","metadata","c"]
        "uuid_parsing" ["body","input_files",0]
        "#);
    }
}
