//! The list of models.

use axum::{Json, extract::Path, http::StatusCode};
use serde_json::{Value, json};

use super::{
    super::{models::Model, reply::Refusal},
    Caller,
};

pub(super) async fn list(_: Caller) -> Json<Value> {
    Json(json!({ "object": "list", "data": Model::cards() }))
}

pub(super) async fn one(_: Caller, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    Model::card_of(&id).map(Json).ok_or_else(|| Refusal::detail(StatusCode::NOT_FOUND, "Model not found"))
}
