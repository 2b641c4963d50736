//! Refusals, in the service's several shapes.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// A refusal: a status, and a body in one of the service's shapes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Refusal {
    pub(crate) const fn new(status: StatusCode, body: Value) -> Self {
        Self { status, body }
    }

    /// The shape of errors about models and limits.
    pub(crate) fn object(status: StatusCode, message: &str, kind: &str, code: &str) -> Self {
        Self::new(
            status,
            json!({ "object": "error", "message": message, "type": kind, "param": null, "code": code }),
        )
    }

    /// The shape of errors about keys and paths.
    pub(crate) fn detail(status: StatusCode, detail: &str) -> Self {
        Self::new(status, json!({ "detail": detail }))
    }

    /// An invalid request: each complaint with its place.
    pub(crate) fn complaints(complaints: Vec<Value>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, json!({ "detail": Value::Array(complaints) }))
    }

    /// The complaints, nested one level deeper.
    pub(crate) fn complaints_within(complaints: Vec<Value>) -> Self {
        let message = json!({ "detail": Value::Array(complaints) });
        let body = json!({ "object": "error", "message": message, "type": "invalid_request_error", "param": null, "code": null });
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, body)
    }

    pub(crate) fn not_json(failure: &serde_json::Error) -> Self {
        let place = json!(["body", failure.column()]);
        Self::complaints(vec![
            json!({ "type": "json_invalid", "loc": place, "msg": "JSON decode error", "input": {}, "ctx": { "error": failure.to_string() } }),
        ])
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}
