//! Errors as the service sends them, in all their shapes, and the action for each.

use std::{fmt, ops::RangeInclusive, time::Duration};

use serde_json::Value;

/// The action for an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorAction {
    /// The record fails: the same request would fail again.
    Fail,
    /// The request is retried after a backoff.
    Retry,
    /// The request waits as long as the limiter requires, then is retried.
    RateLimited,
    /// The record fails if another request has been answered; the run stops if all are refused alike.
    Doubt,
    /// The run stops: none of its requests can succeed.
    Stop,
    /// The run stops, and continues once the account can pay.
    Unpaid,
}

/// The action for each status, ordered by status: the only such table. `docs/errors.md` shows the same.
pub const ERROR_ACTIONS: &[(RangeInclusive<u16>, ErrorAction, &str)] = &[
    // A line of a batch job's error file may lack a status.
    (0..=0, ErrorAction::Retry, "no status: a line of an error file without details"),
    (1..=299, ErrorAction::Retry, "neither answer nor error: a proxy's own page"),
    (
        300..=399,
        ErrorAction::Doubt,
        "a redirect, which is not followed: the message says what to write as `base_url`",
    ),
    (
        400..=400,
        ErrorAction::Fail,
        "the request is invalid: too long, a setting that the model does not support",
    ),
    (401..=401, ErrorAction::Stop, "the API key is invalid"),
    (402..=402, ErrorAction::Unpaid, "no credit or no payment method"),
    (403..=403, ErrorAction::Doubt, "the key has no permission for this, or for this content"),
    (404..=404, ErrorAction::Doubt, "no such model, or a retired one"),
    (405..=407, ErrorAction::Fail, "the request is invalid"),
    (408..=409, ErrorAction::Retry, "the service timed out, or was busy with a conflicting request"),
    (
        410..=424,
        ErrorAction::Fail,
        "the request is invalid: too large, or fields that the service does not know",
    ),
    (425..=425, ErrorAction::Retry, "too early"),
    (426..=428, ErrorAction::Fail, "the request is invalid"),
    (
        429..=429,
        ErrorAction::RateLimited,
        "a limit: of the account (code 1300) or of the service (code 3505)",
    ),
    (430..=499, ErrorAction::Fail, "the request is invalid"),
    (500..=u16::MAX, ErrorAction::Retry, "a fault of the service or of a gateway in front of it"),
];

/// Codes that stop the run although their status, 400, normally fails one record: an invalid model.
const STOPS: &[&str] = &["1500"];

/// The code for exhausted capacity of the service.
const CAPACITY: &str = "3505";

/// The code for an exhausted quota, which may last weeks, although its status is that of a rate limit.
const QUOTA: &str = "1301";

/// An error reported by the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status; 0 if none was reported.
    pub status: u16,
    /// The service's own code.
    pub code: Option<String>,
    /// Its message.
    pub message: String,
    /// The id to quote to the service's support.
    pub correlation_id: Option<String>,
    /// The requested wait.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    /// Parses the body of an unsuccessful response, whatever its shape.
    pub fn read(status: u16, body: &str) -> Self {
        match serde_json::from_str::<Value>(body) {
            Ok(json) => Self::of(status, &json),
            Err(_) => Self::said(status, without_markup(body)),
        }
    }

    /// Parses an error from JSON.
    pub fn of(status: u16, json: &Value) -> Self {
        let said = message(json).map_or_else(|| json.to_string(), |said| said.trim().to_owned());
        let said = if ["", "null", "{}", "[]"].contains(&said.as_str()) {
            "no message".to_owned()
        } else {
            shortened(&said)
        };
        Self { code: code(json), ..Self::said(status, said) }
    }

    fn said(status: u16, message: String) -> Self {
        Self { status, code: None, message, correlation_id: None, retry_after: None }
    }

    /// The action for it.
    pub fn action(&self) -> ErrorAction {
        if self.status == 400 && self.is_about_the_model() {
            return ErrorAction::Stop;
        }
        if self.is_about_the_quota() {
            return ErrorAction::Unpaid;
        }
        let row = ERROR_ACTIONS.iter().find(|(statuses, ..)| statuses.contains(&self.status));
        row.map_or(ErrorAction::Fail, |(_, fate, _)| *fate)
    }

    /// Whether the service is overloaded, as opposed to this account exceeding a limit.
    pub fn is_capacity(&self) -> bool {
        self.code.as_deref() == Some(CAPACITY) || self.message.to_lowercase().contains("capacity")
    }

    /// Whether the account has exhausted its monthly quota, so that waiting is pointless.
    pub fn is_about_the_quota(&self) -> bool {
        let is_quota =
            || self.code.as_deref() == Some(QUOTA) || self.message.to_lowercase().contains("monthly");
        self.status == 429 && is_quota()
    }

    /// Whether the model does not exist.
    pub fn is_about_the_model(&self) -> bool {
        self.code.as_deref().is_some_and(|code| STOPS.contains(&code))
            || self.message.to_lowercase().contains("invalid model")
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.as_ref().map(|code| format!("code {code}"));
        match (self.status, code) {
            (0, None) => {}
            (0, Some(code)) => write!(f, "{code}: ")?,
            (status, None) => write!(f, "{status}: ")?,
            (status, Some(code)) => write!(f, "{status} ({code}): ")?,
        }
        f.write_str(&self.message)?;
        match &self.correlation_id {
            Some(id) => write!(f, " [correlation id {id}]"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ApiError {}

fn code(json: &Value) -> Option<String> {
    let places = [json, &json["error"], &json["message"], &json["detail"]];
    places.into_iter().find_map(|place| match &place["code"] {
        Value::String(code) => Some(code.clone()),
        Value::Number(code) => Some(code.to_string()),
        _ => None,
    })
}

fn message(json: &Value) -> Option<String> {
    [&json["message"], &json["detail"], &json["error"], json].into_iter().find_map(words)
}

/// The message in a string, an object around one, or a list of complaints with their places.
fn words(value: &Value) -> Option<String> {
    match value {
        // Some errors are JSON in a string.
        Value::String(text) if text.trim_start().starts_with(['{', '[']) => {
            let inner: Option<Value> = serde_json::from_str(text).ok();
            inner.as_ref().and_then(words).or_else(|| Some(text.clone()))
        }
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let reported: Vec<String> = items
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
            (!reported.is_empty()).then(|| reported.join("; "))
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

/// The longest message, in characters; a validator quotes the whole request.
const LONGEST: usize = 2000;

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The text of an HTML page, for the errors of gateways.
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

/// Why none of the requests can succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StopCause {
    /// The service refuses every request.
    #[error("{0}")]
    Refused(ApiError),
    /// The account has no credit or no payment method.
    #[error("{0}")]
    Unpaid(ApiError),
    /// The account has no access to this model.
    #[error("the limit of `{model}` is 0 {what}: this account may not use it")]
    NoLimit {
        /// The model.
        model: String,
        /// For example `requests a minute` or `tokens a second`.
        what: String,
    },
    /// The server cannot be reached, and never has been.
    #[error("cannot connect to {host}: {reported}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// The network error.
        reported: String,
        /// What to check.
        advice: &'static str,
    },
    /// Consecutive requests fail in the same way.
    #[error("{count} requests in a row failed in the same way; the last error: {last}")]
    Broken {
        /// How many.
        count: u32,
        /// The last failure.
        last: String,
    },
}

/// Why a request has no answer after all attempts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The service refused this request.
    #[error("the service refused the request: {0}")]
    Refused(ApiError),
    /// No request can succeed.
    #[error("{0}")]
    Stop(StopCause),
    /// No attempt was answered.
    #[error("no answer after {tries} tries; the last error: {last}")]
    Exhausted {
        /// The number of attempts.
        tries: u32,
        /// The last failure.
        last: String,
    },
    /// The service may have carried out the request; repeating it may do it twice.
    #[error("it is unknown whether the request was processed: {last}")]
    Unsure {
        /// The failure.
        last: String,
    },
    /// The run was stopped before an answer came.
    #[error("the run was stopped")]
    Stopped,
}

/// Why a client cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The key has characters that are invalid in a header.
    #[error("the API key contains invalid characters: check for line breaks and quotes")]
    BadKey,
    /// The address is invalid.
    #[error("`{0}` is not a valid URL: expected one such as `https://api.mistral.ai`")]
    BadUrl(String),
    /// The HTTP library failed to start.
    #[error("cannot start the HTTP client: {0}")]
    Http(#[source] reqwest::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_error_is_read() {
        let reported = |status, body| {
            let error = ApiError::read(status, body);
            (error.to_string(), error.action())
        };
        let cases = [
            (
                400,
                r#"{"object":"error","message":"Prompt too long","type":"x","param":null,"code":3059}"#,
                "400 (code 3059): Prompt too long",
                ErrorAction::Fail,
            ),
            (
                400,
                r#"{"object":"error","message":"Invalid model: x","type":"invalid_model","code":"1500"}"#,
                "400 (code 1500): Invalid model: x",
                ErrorAction::Stop,
            ),
            (401, r#"{"detail":"Invalid API Key"}"#, "401: Invalid API Key", ErrorAction::Stop),
            (401, r#"{"message":"Unauthorized","request_id":"1"}"#, "401: Unauthorized", ErrorAction::Stop),
            (
                422,
                r#"{"detail":[{"type":"missing","loc":["body","messages",0,"role"],"msg":"Field required","input":{}}]}"#,
                "422: body.messages.0.role: Field required",
                ErrorAction::Fail,
            ),
            (
                422,
                r#"{"message":{"detail":[{"loc":["body","x"],"msg":"Extra inputs are not permitted"}]}}"#,
                "422: body.x: Extra inputs are not permitted",
                ErrorAction::Fail,
            ),
            (
                429,
                r#"{"message":"Requests rate limit exceeded"}"#,
                "429: Requests rate limit exceeded",
                ErrorAction::RateLimited,
            ),
            (
                429,
                r#"{"message":"You have exceeded your quota","code":1301}"#,
                "429 (code 1301): You have exceeded your quota",
                ErrorAction::Unpaid,
            ),
            (
                429,
                r#"{"message":"Monthly token limit reached"}"#,
                "429: Monthly token limit reached",
                ErrorAction::Unpaid,
            ),
            (307, "", "307: no message", ErrorAction::Doubt),
            (
                503,
                "<html><body><h1>503 Service Unavailable</h1></body></html>",
                "503: 503 Service Unavailable",
                ErrorAction::Retry,
            ),
            (500, "", "500: no message", ErrorAction::Retry),
            (418, r#"{"error":{"message":"teapot","code":7}}"#, "418 (code 7): teapot", ErrorAction::Fail),
        ];
        for (status, body, text, fate) in cases {
            assert_eq!(reported(status, body), (text.to_owned(), fate));
        }
    }
}
