//! The list of models.

use axum::{Json, extract::Path, http::StatusCode};
use serde_json::{Value, json};

use crate::sim::{api::Caller, models::Model, reply::Refusal};

pub(crate) async fn list(_: Caller) -> Json<Value> {
    Json(json!({ "object": "list", "data": Model::cards() }))
}

pub(crate) async fn one(_: Caller, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    Model::card_of(&id).map(Json).ok_or_else(|| Refusal::detail(StatusCode::NOT_FOUND, "Model not found"))
}
