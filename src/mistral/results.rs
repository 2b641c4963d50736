//! The lines of a batch job's output and error files.

use serde_json::Value;

use super::ApiError;

/// The outcome of one request of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultRow {
    /// The `custom_id` that the request was sent with.
    pub custom_id: String,
    /// The body of the answer, to be parsed by [`read_reply`](super::read_reply), or the refusal.
    pub outcome: Result<Value, ApiError>,
}

/// Parses a line of any shape: `response.body` an object or a JSON string of one, an error there or in `error`,
/// and refusals in the output file as well as in the error file.
///
/// # Errors
/// Why the line matches no request, worded to follow "the line …".
pub fn read_result(line: &str) -> Result<ResultRow, String> {
    let line: Value = serde_json::from_str(line.trim()).map_err(|error| format!("is not JSON ({error})"))?;
    let custom_id = match &line["custom_id"] {
        Value::String(id) if !id.is_empty() => id.clone(),
        Value::Number(id) => id.to_string(),
        _ => return Err("has no `custom_id`".to_owned()),
    };
    Ok(ResultRow { custom_id, outcome: outcome(&line) })
}

fn outcome(line: &Value) -> Result<Value, ApiError> {
    let response = &line["response"];
    let body = match &response["body"] {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str())),
        body => body.clone(),
    };
    let status = [&response["status_code"], &body["raw_status_code"], &line["error"]["status_code"]]
        .into_iter()
        .filter_map(Value::as_u64)
        .find_map(|status| u16::try_from(status).ok().filter(|status| !(200..300).contains(status)));
    // A success status may still carry an error, and an error may lack a status.
    let is_error = body["object"] == "error" || (body.is_object() && !body["error"].is_null());
    if line["error"].is_null() && status.is_none() && !is_error && !body.is_null() {
        return Ok(body);
    }
    let reported =
        [&body, &line["error"], &response["error"]].into_iter().find(|reported| !reported.is_null());
    let mut error = match reported {
        Some(reported) => ApiError::of(status.unwrap_or_default(), reported),
        None => {
            ApiError::of(status.unwrap_or_default(), &Value::from("the line has neither answer nor error"))
        }
    };
    error.correlation_id = ["request_id", "correlation_id"]
        .into_iter()
        .find_map(|name| response[name].as_str())
        .filter(|id| !id.is_empty())
        .map(str::to_owned);
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(line: &str) -> String {
        let row = read_result(line).unwrap();
        assert_eq!(row.custom_id, "7");
        match row.outcome {
            Ok(body) => body.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn an_answer_is_its_body() {
        let body = r#"{"choices":[{"message":{"content":"x"}}]}"#;
        let line = |body: &str| {
            format!(
                r#"{{"id":"b-1","custom_id":"7","response":{{"status_code":200,"body":{body}}},"error":null}}"#
            )
        };
        assert_eq!(reported(&line(body)), body);
        assert_eq!(reported(&line(&Value::from(body).to_string())), body, "a text that holds it");
        assert_eq!(reported(&format!(r#"{{"custom_id":7,"response":{{"body":{body}}}}}"#)), body);
    }

    #[test]
    fn every_shape_of_refusal_is_read() {
        let inner = r#"{"object":"error","message":"Prompt too long","type":"invalid_request_prompt","code":3059,"raw_status_code":400}"#;
        let quoted = Value::from(inner).to_string();
        let lines = [
            format!(r#"{{"custom_id":"7","response":{{"status_code":400,"body":{quoted}}},"error":null}}"#),
            format!(r#"{{"custom_id":"7","response":{{"status_code":400,"body":{inner}}},"error":null}}"#),
            format!(r#"{{"custom_id":"7","response":{{"status_code":200,"body":{inner}}}}}"#),
            format!(r#"{{"custom_id":"7","response":{{"body":{inner}}}}}"#),
        ];
        for line in lines {
            assert_eq!(reported(&line), "400 (code 3059): Prompt too long", "{line}");
        }
        assert_eq!(reported(r#"{"custom_id":"7","error":{"message":"internal"}}"#), "internal");
        assert_eq!(reported(r#"{"custom_id":"7","response":null,"error":"expired"}"#), "expired");
        let line = r#"{"custom_id":"7","response":{"status_code":422,"body":{"detail":[{"loc":["body","x"],"msg":"no"}]}}}"#;
        assert_eq!(reported(line), "422: body.x: no");
        assert_eq!(reported(r#"{"custom_id":"7"}"#), "the line has neither answer nor error");
        assert_eq!(
            reported(r#"{"custom_id":"7","response":{"status_code":500,"body":null}}"#),
            "500: the line has neither answer nor error"
        );
    }

    #[test]
    fn a_line_of_nobody_is_told() {
        assert_eq!(read_result("{}").unwrap_err(), "has no `custom_id`");
        assert!(read_result("not json").unwrap_err().starts_with("is not JSON"));
        assert_eq!(read_result("[1]").unwrap_err(), "has no `custom_id`");
    }
}
