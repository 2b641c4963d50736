//! The list of models.

use axum::{Json, extract::Path, http::StatusCode};
use serde_json::{Value, json};

use super::{
    super::{models::MODELS, reply::Refusal},
    Caller,
};

pub(super) async fn list(_: Caller) -> Json<Value> {
    let cards: Vec<Value> = MODELS.iter().map(super::super::models::Model::card).collect();
    Json(json!({ "object": "list", "data": cards }))
}

pub(super) async fn one(_: Caller, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    let found = MODELS.iter().find(|model| model.id == id);
    let missing = || Refusal::detail(StatusCode::NOT_FOUND, "Model not found");
    found.map(|model| Json(model.card())).ok_or_else(missing)
}
