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
pub(super) const ENDPOINTS: &[&str] = &[
    CHAT_PATH,
    "/v1/fim/completions",
    "/v1/embeddings",
    "/v1/ocr",
    "/v1/moderations",
    "/v1/chat/moderations",
    "/v1/classifications",
    "/v1/chat/classifications",
];

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
    if !ENDPOINTS.contains(&endpoint) {
        return Err(Refusal::detail(StatusCode::NOT_FOUND, "Not Found"));
    }
    let complaints = check::complaints(endpoint, request);
    if !complaints.is_empty() {
        return Err(Refusal::complaints(complaints));
    }
    // The one endpoint that chooses a model by itself.
    let usual = if endpoint == "/v1/ocr" { "mistral-ocr-latest" } else { "" };
    let model = Model::in_service(request["model"].as_str().unwrap_or(usual), endpoint)?;
    answer::within(endpoint, request, model)
}

/// The answer to a request that was checked; from now on it has been given.
pub(super) fn respond(server: &Server, endpoint: &str, request: &Value, asked: &Asked) -> Given {
    let answered = server.registry.answered(&asked.identity);
    let stored = |id: &str| server.files.find(|file| file.object.id == id).map(|file| file.content);
    let given = answer::answer(endpoint, request, asked, answered, &server.config, &stored);
    server.stats.answer(&given, server.registry.answer(&asked.identity));
    given
}
