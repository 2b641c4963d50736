//! What the service answers when it refuses, in its several shapes.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// A refusal: a status, and a body in one of the service's shapes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

impl Refusal {
    pub(super) const fn new(status: StatusCode, body: Value) -> Self {
        Self { status, body }
    }

    /// The form of errors about models and limits.
    pub(super) fn object(status: StatusCode, message: &str, kind: &str, code: &str) -> Self {
        Self::new(
            status,
            json!({ "object": "error", "message": message, "type": kind, "param": null, "code": code }),
        )
    }

    /// The form of errors about keys and paths.
    pub(super) fn detail(status: StatusCode, detail: &str) -> Self {
        Self::new(status, json!({ "detail": detail }))
    }

    /// A request that is not what it should be: each complaint with its place.
    pub(super) fn complaints(complaints: Vec<Value>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, json!({ "detail": Value::Array(complaints) }))
    }

    /// The complaints are there, one level deeper.
    pub(super) fn complaints_within(complaints: Vec<Value>) -> Self {
        let message = json!({ "detail": Value::Array(complaints) });
        let body = json!({ "object": "error", "message": message, "type": "invalid_request_error", "param": null, "code": null });
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, body)
    }

    pub(super) fn not_json(failure: &serde_json::Error) -> Self {
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
