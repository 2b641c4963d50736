//! The endpoints over HTTP.

mod answers;
mod files;
mod intercept;
mod jobs;
mod models;
mod query;
mod stream;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, FromRequestParts, State},
    http::{StatusCode, header::AUTHORIZATION, request::Parts},
    middleware,
    routing::{get, post},
};
use serde_json::Value;

use crate::{
    mistral::wire::{FILES_PATH, JOBS_PATH, MODELS_PATH},
    sim::{batch, endpoint::ENDPOINTS, reply::Refusal, server::Server},
};

/// The largest request body except for an upload; the service itself is limited by the model's context length.
const LARGEST: usize = 64 << 20;

/// The overhead of a multipart form beyond its file.
const FORM: usize = 64 << 10;

pub(crate) fn router(server: Arc<Server>) -> Router {
    let upload = DefaultBodyLimit::max(server.config.batch.largest_file as usize + FORM);
    let files = post(files::upload).layer(upload).merge(get(files::list));
    let mut router = Router::new();
    for endpoint in ENDPOINTS {
        router = router.route(endpoint.path, post(answers::answer));
    }
    router
        .route(MODELS_PATH, get(models::list))
        .route("/v1/models/{id}", get(models::one))
        .route(FILES_PATH, files)
        .route("/v1/files/{id}", get(files::one).delete(files::delete))
        .route("/v1/files/{id}/content", get(files::content))
        .route("/v1/files/{id}/url", get(files::link))
        .route("/sim/files/{id}/{signature}", get(files::linked))
        .route(JOBS_PATH, post(jobs::create).get(jobs::list))
        .route("/v1/batch/jobs/{id}", get(jobs::one).delete(jobs::delete))
        .route("/v1/batch/jobs/{id}/cancel", post(jobs::cancel))
        .route("/sim/stats", get(stats))
        .fallback(|| async { Refusal::detail(StatusCode::NOT_FOUND, "Not Found") })
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(middleware::from_fn_with_state(Arc::clone(&server), intercept::intercept))
        .with_state(server)
}

async fn stats(State(server): State<Arc<Server>>) -> Result<Json<Value>, Refusal> {
    aside(server, |server| Ok(Json(serde_json::to_value(server.stats()).unwrap_or_default()))).await
}

/// Runs a closure that may take a while: lines of jobs are answered when somebody polls.
async fn aside<T: Send + 'static>(
    server: Arc<Server>,
    work: impl FnOnce(&Server) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let broken = |_| Refusal::detail(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
    crate::task::spawn_blocking(move || work(&server)).await.map_err(broken)?
}

/// The caller: the key identifies the workspace.
struct Caller(String);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        let key = parts
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        match key {
            None | Some("") => Err(Refusal::detail(StatusCode::UNAUTHORIZED, "Unauthorized")),
            // The one key that is refused, for tests.
            Some("invalid") => Err(Refusal::detail(StatusCode::UNAUTHORIZED, "Invalid API Key")),
            Some(key) => Ok(Self(key.to_owned())),
        }
    }
}

/// Refuses an id that is not a UUID.
fn uuid(id: &str, name: &str) -> Result<(), Refusal> {
    if batch::is_uuid(id) {
        return Ok(());
    }
    let complaint = serde_json::json!({ "type": "uuid_parsing", "loc": ["path", name], "msg": "Input should be a valid UUID", "input": id });
    Err(Refusal::complaints(vec![complaint]))
}
