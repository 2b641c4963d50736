//! What an endpoint answers to a body: the same whether it came alone or as a line of a job.

use axum::http::StatusCode;
use serde_json::Value;

use crate::mistral::wire::CHAT_PATH;

use super::{
    answer::{self, Given},
    check,
    identity::Identity,
    models::Model,
    reply::Refusal,
    server::Server,
};

/// The endpoints that answer a request.
pub(super) const ENDPOINTS: &[&str] = &[CHAT_PATH];

/// A request that is going to be answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) identity: Identity,
    /// How often it was asked before, answered or not.
    pub(super) nth: u64,
    /// Its place in the order in which different requests came.
    pub(super) slot: u64,
    /// 0 for a request that asks for the first time, more for one that says what was wrong before.
    pub(super) round: usize,
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

/// The answer to a request that was checked; from now on it has been given.
pub(super) fn respond(server: &Server, _endpoint: &str, request: &Value, asked: &Asked) -> Given {
    let given = answer::answer(request, asked, server.registry.answered(&asked.identity), &server.config);
    server.stats.answer(&given, server.registry.answer(&asked.identity));
    given
}
