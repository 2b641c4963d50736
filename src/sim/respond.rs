//! What an endpoint answers to a body: the same whether it came alone or as a line of a job.

use axum::http::StatusCode;
use serde_json::Value;

use crate::mistral::wire::CHAT_PATH;

use super::{
    SimConfig,
    answer::{self, Given},
    check,
    identity::Identity,
    models::Model,
    reply::Refusal,
};

/// A request that is going to be answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) identity: Identity,
    /// How often it was asked before.
    pub(super) nth: u64,
}

/// Whether the endpoint takes the request.
pub(super) fn check(endpoint: &str, request: &Value) -> Result<(), Refusal> {
    if endpoint != CHAT_PATH {
        return Err(Refusal::detail(StatusCode::NOT_FOUND, "Not Found"));
    }
    let complaints = check::complaints(request);
    if !complaints.is_empty() {
        return Err(Refusal::complaints(complaints));
    }
    Model::in_service(request["model"].as_str().unwrap_or_default()).map(|_| ())
}

/// The answer to a request that was checked.
pub(super) fn respond(_endpoint: &str, request: &Value, asked: &Asked, config: &SimConfig) -> Given {
    answer::answer(request, asked, config)
}
