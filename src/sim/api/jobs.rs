//! `/v1/batch/jobs`

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::StatusCode,
};
use serde_json::{Map, Value, json};

use crate::{
    mistral::wire::{Job, JobStatus},
    sim::{
        api::{Caller, aside, query::Query, uuid},
        batch::{self, Wish},
        reply::Refusal,
        server::Server,
        state::stats::add,
    },
};

/// The job as the service shows it, including fields that this program does not use.
fn view(job: &Job) -> Value {
    let mut view = serde_json::to_value(job).unwrap_or_default();
    view["agent_id"] = Value::Null;
    view["outputs"] = Value::Null;
    view
}

pub(crate) async fn create(
    State(server): State<Arc<Server>>,
    Caller(owner): Caller,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    aside(server, move |server| {
        let request: Value = serde_json::from_slice(&body).map_err(|failure| Refusal::not_json(&failure))?;
        let wanted = batch::read(&request).map_err(Refusal::complaints)?;
        Ok(Json(view(&server.jobs.create(server, &owner, wanted)?)))
    })
    .await
}

fn missing() -> Refusal {
    Refusal::detail(StatusCode::NOT_FOUND, "Job not found")
}

pub(crate) async fn one(
    State(server): State<Arc<Server>>,
    Caller(owner): Caller,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Refusal> {
    uuid(&id, "job_id")?;
    let inline = Query::of(query.as_deref()).get("inline") == Some("true");
    aside(server, move |server| {
        add(&server.stats.polls, 1);
        let job = server.jobs.get(server, &owner, &id).ok_or_else(missing)?;
        let mut shown = view(&job);
        if let Some(file) = job.output_file.filter(|_| inline) {
            let file = server.files.get(&owner, &file).ok_or_else(missing)?;
            let lines = serde_json::Deserializer::from_slice(&file.content).into_iter::<Value>();
            shown["outputs"] = lines.flatten().collect();
        }
        Ok(Json(shown))
    })
    .await
}

pub(crate) async fn list(
    State(server): State<Arc<Server>>,
    Caller(owner): Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Refusal> {
    let query = Query::of(query.as_deref());
    let page = query.page()?;
    let wish = wish(&query)?;
    aside(server, move |server| {
        add(&server.stats.polls, 1);
        let found = server.jobs.list(server, &owner, &wish);
        let total = found.len();
        let data: Vec<Value> = page.of(found).iter().map(view).collect();
        Ok(Json(json!({ "data": data, "object": "list", "total": total })))
    })
    .await
}

const PARAMETERS: &[&str] = &[
    "page",
    "page_size",
    "model",
    "agent_id",
    "metadata",
    "created_after",
    "created_by_me",
    "status",
    "order_by",
];

fn wish(query: &Query) -> Result<Wish, Refusal> {
    if let Some(text) = query.get("metadata") {
        return Err(Query::wrong("metadata", "dict_type", "Input should be a valid dictionary", text));
    }
    // An object in the documented form style: each key is a separate parameter.
    let metadata = query.others(PARAMETERS).map(|(name, value)| (name.to_owned(), Value::from(value)));
    let metadata: Map<String, Value> = metadata.collect();
    let created_after = match query.get("created_after") {
        None => None,
        Some(text) => Some(instant(text).ok_or_else(|| {
            Query::wrong("created_after", "datetime_parsing", "Input should be a valid datetime", text)
        })?),
    };
    let mut status = Vec::new();
    for word in query.all("status") {
        match JobStatus::of(word) {
            JobStatus::Other(_) => {
                return Err(Query::wrong("status", "enum", "Input should be the status of a job", word));
            }
            known => status.push(known),
        }
    }
    let oldest_first = match query.get("order_by") {
        None | Some("-created") => false,
        Some("created") => true,
        Some(other) => {
            return Err(Query::wrong("order_by", "enum", "Input should be 'created' or '-created'", other));
        }
    };
    let model = query.get("model").map(str::to_owned);
    Ok(Wish { model, metadata, created_after, status, oldest_first })
}

/// Parses a time, with or without a zone, to seconds since 1970.
fn instant(text: &str) -> Option<i64> {
    let read = |text: &str| text.parse::<jiff::Timestamp>().ok();
    read(text).or_else(|| read(&format!("{text}Z"))).map(jiff::Timestamp::as_second)
}

pub(crate) async fn cancel(
    State(server): State<Arc<Server>>,
    Caller(owner): Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    uuid(&id, "job_id")?;
    aside(server, move |server| {
        server.jobs.cancel(server, &owner, &id).map(|job| Json(view(&job))).ok_or_else(missing)
    })
    .await
}

pub(crate) async fn delete(
    State(server): State<Arc<Server>>,
    Caller(owner): Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    uuid(&id, "job_id")?;
    aside(server, move |server| {
        server.jobs.delete(server, &owner, &id).ok_or_else(missing)?;
        add(&server.stats.deletes, 1);
        Ok(Json(json!({ "id": id, "object": "batch", "deleted": true })))
    })
    .await
}
