//! What an endpoint answers to a body: the same whether it came alone or as a line of a job.

use axum::http::StatusCode;
use serde_json::Value;

use crate::{
    mistral::wire::CHAT_PATH,
    sim::{
        answer::{self, Given},
        check,
        models::Model,
        reply::Refusal,
        state::{State, identity::Asked},
    },
};

/// The endpoints that answer a request.
pub(crate) const ENDPOINTS: &[&str] = &[
    CHAT_PATH,
    "/v1/fim/completions",
    "/v1/embeddings",
    "/v1/ocr",
    "/v1/moderations",
    "/v1/chat/moderations",
    "/v1/classifications",
    "/v1/chat/classifications",
];

/// Whether the endpoint takes the request.
pub(crate) fn check(endpoint: &str, request: &Value) -> Result<(), Refusal> {
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
pub(crate) fn respond(server: &State, endpoint: &str, request: &Value, asked: &Asked) -> Given {
    let answered = server.registry.answered(&asked.identity);
    let stored = |id: &str| server.files.find(|file| file.object.id == id).map(|file| file.content);
    let given = answer::answer(endpoint, request, asked, answered, &server.config, &stored);
    server.stats.answer(given.usage, given.misfit, server.registry.answer(&asked.identity));
    given
}
