//! The list of models.

use axum::{Json, extract::Path, http::StatusCode};
use serde_json::{Value, json};

use crate::sim::{api::Caller, endpoint::models, models::Model, reply::Refusal};

pub(crate) async fn list(_: Caller) -> Json<Value> {
    Json(json!({ "object": "list", "data": models().flat_map(Model::cards).collect::<Vec<_>>() }))
}

pub(crate) async fn one(_: Caller, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    models()
        .find(|model| model.is_called(&id))
        .map(|model| Json(model.card(&id)))
        .ok_or_else(|| Refusal::detail(StatusCode::NOT_FOUND, "Model not found"))
}
