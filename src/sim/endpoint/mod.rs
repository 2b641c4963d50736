//! The endpoints that answer requests: the specifics of each are in the file named after it, as an [`Endpoint`].
//! This file has their list, and the path from a request to its answer, which is the same for direct requests and
//! lines of a job.

mod chat;
mod embeddings;
mod kind;
mod labels;
mod ocr;
mod supplied;
mod unanswerable;

use axum::http::StatusCode;
use serde_json::Value;

use crate::sim::{
    answer::Generated,
    check,
    dice::Dice,
    models::{MODELS, Model},
    reply::Refusal,
    state::{State, identity::Asked},
};

pub(crate) use kind::Endpoint;

use kind::Call;

/// All endpoints.
pub(crate) static ENDPOINTS: [&Endpoint; 8] = [
    &chat::CHAT,
    &chat::FIM,
    &embeddings::EMBEDDINGS,
    &ocr::OCR,
    &labels::MODERATIONS,
    &labels::CHAT_MODERATIONS,
    &labels::CLASSIFICATIONS,
    &labels::CHAT_CLASSIFICATIONS,
];

/// The endpoint with a path.
pub(crate) fn find(path: &str) -> Option<&'static Endpoint> {
    ENDPOINTS.into_iter().find(|endpoint| endpoint.path == path)
}

/// All models, including those of a single endpoint.
pub(crate) fn models() -> impl Iterator<Item = &'static Model> {
    MODELS.iter().chain(ENDPOINTS.into_iter().flat_map(|endpoint| endpoint.models))
}

/// The model with a name, unless it is retired or the endpoint does not support it.
pub(crate) fn model_in_service(name: &str, path: &str) -> Result<&'static Model, Refusal> {
    let unknown = || {
        let message = format!("Invalid model: {name}");
        Refusal::object(StatusCode::BAD_REQUEST, &message, "invalid_model", "1500")
    };
    let model = models().find(|model| model.is_called(name)).ok_or_else(unknown)?;
    model.in_service(name)?;
    let own = |endpoint: &Endpoint| endpoint.models.iter().any(|own| own.id == model.id);
    let able = find(path).is_none_or(|endpoint| own(endpoint) || endpoint.skills.contains(&model.skill));
    if able { Ok(model) } else { Err(unknown()) }
}

/// Validates a request to an endpoint.
pub(crate) fn check(path: &str, request: &Value) -> Result<(), Refusal> {
    let Some(endpoint) = find(path) else {
        return Err(Refusal::detail(StatusCode::NOT_FOUND, "Not Found"));
    };
    let complaints = match request.as_object() {
        Some(fields) => (endpoint.complaints)(path, fields),
        None => vec![check::no_object(request)],
    };
    if !complaints.is_empty() {
        return Err(Refusal::complaints(complaints));
    }
    let model = model_in_service(request["model"].as_str().unwrap_or(endpoint.usual), path)?;
    (endpoint.within)(request, model)
}

/// The answer to a validated request; counts as answered from now on.
pub(crate) fn respond(server: &State, path: &str, request: &Value, asked: &Asked) -> Generated {
    let answered = server.registry.answered(&asked.identity);
    // With a seed, the answer is the same each time.
    let answered = if request["random_seed"].is_u64() { 0 } else { answered };
    let config = &server.config;
    let mut dice = Dice::of(config.seed, &asked.identity, answered, "answer");
    let stored = |id: &str| server.files.find(|file| file.object.id == id).map(|file| file.content);
    let endpoint = find(path).unwrap_or(&chat::CHAT);
    let given = match config.supplied.get(&asked.identity) {
        Some(text) => supplied::answer(endpoint, request, &text, &mut dice),
        None => (endpoint.answer)(Call { request, asked, answered, config, stored: &stored }, &mut dice),
    };
    server.stats.answer(given.usage, given.misfit, server.registry.answer(&asked.identity));
    given
}
