//! Errors as the service sends them, in all their shapes, and what is to be done about each.
//!
//! | status | fate |
//! |---|---|
//! | 400 | the record fails; an unknown model stops the run |
//! | 401, 402, 403, 404 | the run stops: the next request would fare no better |
//! | 408, 409, 425, 5xx, cut connections, what is no JSON | the request is sent again |
//! | 413, 422, other 4xx | the record fails |
//! | 429 | everybody on the limiter waits, then the request is sent again |

use std::time::Duration;

use serde_json::Value;

/// What is to be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The record fails: the same request would fail again.
    Fail,
    /// The request is sent again after a while.
    Retry,
    /// Everybody on the limiter waits, then the request is sent again.
    Park,
    /// The run stops: no request of it can succeed.
    Stop,
}

/// An error that the service told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status}{}: {message}{}", .code.as_ref().map(|code| format!(" (code {code})")).unwrap_or_default(), .correlation_id.as_ref().map(|id| format!(" [correlation id {id}]")).unwrap_or_default())]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// The service's own code.
    pub code: Option<String>,
    /// What it says.
    pub message: String,
    /// What to name when asking the service about it.
    pub correlation_id: Option<String>,
    /// How long it asks to wait.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    /// Reads the body of an answer that is no success, whatever its shape.
    pub fn read(status: u16, body: &str) -> Self {
        let (code, message) = match serde_json::from_str::<Value>(body) {
            Ok(json) => (code(&json), message(&json)),
            Err(_) => (None, None),
        };
        let message = message.unwrap_or_else(|| without_markup(body));
        Self { status, code, message, correlation_id: None, retry_after: None }
    }

    /// What is to be done about it.
    pub fn fate(&self) -> Fate {
        match self.status {
            400 if self.is_about_the_model() => Fate::Stop,
            401..=404 => Fate::Stop,
            408 | 409 | 425 | 500.. => Fate::Retry,
            429 => Fate::Park,
            _ => Fate::Fail,
        }
    }

    fn is_about_the_model(&self) -> bool {
        self.code.as_deref() == Some("1500") || self.message.to_lowercase().contains("invalid model")
    }
}

fn code(json: &Value) -> Option<String> {
    let code = [&json["code"], &json["error"]["code"], &json["message"]["code"]];
    code.into_iter().find_map(|code| match code {
        Value::String(code) => Some(code.clone()),
        Value::Number(code) => Some(code.to_string()),
        _ => None,
    })
}

fn message(json: &Value) -> Option<String> {
    [&json["message"], &json["detail"], &json["error"], json].into_iter().find_map(words)
}

/// A text out of what may be a text, an object round one, or a list of complaints with their places.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let told: Vec<String> = items
                .iter()
                .filter_map(|item| {
                    let what = item["msg"].as_str().or_else(|| item.as_str())?;
                    let place: Vec<String> =
                        item["loc"].as_array().into_iter().flatten().map(plain).collect();
                    Some(if place.is_empty() {
                        what.to_owned()
                    } else {
                        format!("{}: {what}", place.join("."))
                    })
                })
                .collect();
            (!told.is_empty()).then(|| told.join("; "))
        }
        Value::Object(map) => {
            ["message", "detail", "msg", "error"].iter().find_map(|key| words(map.get(*key)?))
        }
        _ => None,
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The text of a page, for the errors of gateways.
fn without_markup(body: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in body.chars() {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push(' ');
            }
            c if !inside => text.push(c),
            _ => {}
        }
    }
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect();
    if text.is_empty() { "no message".to_owned() } else { text }
}

/// Why a request has no answer, after all that was tried.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The service refused this request.
    #[error("the service refused the request: {0}")]
    Refused(ApiError),
    /// The service refuses every request.
    #[error("{0}")]
    Stop(ApiError),
    /// No answer came.
    #[error("no answer after {tries} tries; the last one: {last}")]
    Exhausted {
        /// How often it was sent.
        tries: u32,
        /// What the last one met.
        last: String,
    },
    /// The run was stopped before an answer came.
    #[error("the run was stopped")]
    Stopped,
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The key has characters that a header cannot carry.
    #[error("the API key has characters that no key has: check for line ends and quotes")]
    BadKey,
    /// The HTTP library cannot start.
    #[error("cannot start the HTTP client: {0}")]
    Http(#[source] reqwest::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_error_is_read() {
        let told = |status, body| {
            let error = ApiError::read(status, body);
            (error.to_string(), error.fate())
        };
        let cases = [
            (
                400,
                r#"{"object":"error","message":"Prompt too long","type":"x","param":null,"code":3059}"#,
                "400 (code 3059): Prompt too long",
                Fate::Fail,
            ),
            (
                400,
                r#"{"object":"error","message":"Invalid model: x","type":"invalid_model","code":"1500"}"#,
                "400 (code 1500): Invalid model: x",
                Fate::Stop,
            ),
            (401, r#"{"detail":"Invalid API Key"}"#, "401: Invalid API Key", Fate::Stop),
            (401, r#"{"message":"Unauthorized","request_id":"1"}"#, "401: Unauthorized", Fate::Stop),
            (
                422,
                r#"{"detail":[{"type":"missing","loc":["body","messages",0,"role"],"msg":"Field required","input":{}}]}"#,
                "422: body.messages.0.role: Field required",
                Fate::Fail,
            ),
            (
                422,
                r#"{"message":{"detail":[{"loc":["body","x"],"msg":"Extra inputs are not permitted"}]}}"#,
                "422: body.x: Extra inputs are not permitted",
                Fate::Fail,
            ),
            (
                429,
                r#"{"message":"Requests rate limit exceeded"}"#,
                "429: Requests rate limit exceeded",
                Fate::Park,
            ),
            (
                503,
                "<html><body><h1>503 Service Unavailable</h1></body></html>",
                "503: 503 Service Unavailable",
                Fate::Retry,
            ),
            (500, "", "500: no message", Fate::Retry),
            (418, r#"{"error":{"message":"teapot","code":7}}"#, "418 (code 7): teapot", Fate::Fail),
        ];
        for (status, body, text, fate) in cases {
            assert_eq!(told(status, body), (text.to_owned(), fate));
        }
    }
}
