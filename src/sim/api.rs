//! The endpoints.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use crate::mistral::wire::{CHAT_PATH, MODELS_PATH};

use super::{
    SimConfig, answer,
    check::complaints,
    dice::Dice,
    stats::{Stats, add},
};

/// The largest request that is read; the service's own limit is the length of a model's context.
const LARGEST: usize = 64 << 20;

struct Server {
    config: SimConfig,
    stats: Arc<Stats>,
    /// When the requests of the last second came.
    window: Mutex<VecDeque<Instant>>,
}

/// The models that there are: name, longest context, and what replaces a retired one.
const MODELS: &[(&str, u64, Option<&str>)] = &[
    ("mistral-large-latest", 262_144, None),
    ("mistral-medium-latest", 131_072, None),
    ("mistral-small-latest", 131_072, None),
    ("ministral-8b-latest", 262_144, None),
    ("ministral-3b-latest", 262_144, None),
    ("open-mistral-nemo", 131_072, None),
    ("magistral-small-latest", 131_072, Some("mistral-small-latest")),
];

pub(super) fn router(config: SimConfig, stats: Arc<Stats>) -> Router {
    let server = Arc::new(Server { config, stats, window: Mutex::default() });
    Router::new()
        .route(CHAT_PATH, post(chat))
        .route(MODELS_PATH, get(models))
        .route("/v1/models/{id}", get(one_model))
        .route(
            "/sim/stats",
            get(|State(server): State<Arc<Server>>| async move { Json(server.stats.read()) }),
        )
        .fallback(|| async { error(StatusCode::NOT_FOUND, json!({ "detail": "Not Found" })) })
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(server)
}

fn error(status: StatusCode, body: Value) -> Response {
    (status, Json(body)).into_response()
}

/// The service's older form of an error.
fn object_error(status: StatusCode, message: &str, kind: &str, code: &str) -> Response {
    error(status, json!({ "object": "error", "message": message, "type": kind, "param": null, "code": code }))
}

fn authorized(headers: &HeaderMap) -> Result<(), Box<Response>> {
    let key = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    match key {
        None | Some("") => {
            Err(Box::new(error(StatusCode::UNAUTHORIZED, json!({ "detail": "Unauthorized" }))))
        }
        // The one key that a test can be refused with.
        Some("invalid") => {
            Err(Box::new(error(StatusCode::UNAUTHORIZED, json!({ "detail": "Invalid API Key" }))))
        }
        Some(_) => Ok(()),
    }
}

async fn models(headers: HeaderMap) -> Response {
    if let Err(refusal) = authorized(&headers) {
        return *refusal;
    }
    Json(json!({ "object": "list", "data": MODELS.iter().map(model).collect::<Vec<_>>() })).into_response()
}

async fn one_model(headers: HeaderMap, Path(id): Path<String>) -> Response {
    if let Err(refusal) = authorized(&headers) {
        return *refusal;
    }
    match MODELS.iter().find(|(name, ..)| *name == id) {
        Some(found) => Json(model(found)).into_response(),
        None => error(StatusCode::NOT_FOUND, json!({ "detail": "Model not found" })),
    }
}

fn model((id, context, replacement): &(&str, u64, Option<&str>)) -> Value {
    json!({
        "id": id,
        "object": "model",
        "created": 1_760_000_000,
        "owned_by": "mistralai",
        "capabilities": { "completion_chat": true, "function_calling": true, "vision": false },
        "aliases": [],
        "max_context_length": context,
        "deprecation": replacement.map(|_| "2026-07-31T00:00:00Z"),
        "deprecation_replacement_model": replacement,
    })
}

async fn chat(State(server): State<Arc<Server>>, headers: HeaderMap, body: Bytes) -> Response {
    let stats = Arc::clone(&server.stats);
    let _under_way = stats.arrive();
    let mut response = match server.answer(&headers, &body).await {
        Ok(answer) => answer,
        Err(refusal) => {
            let refusal = *refusal;
            let count = if refusal.status() == StatusCode::TOO_MANY_REQUESTS {
                &stats.limited
            } else {
                &stats.refused
            };
            add(count, 1);
            refusal
        }
    };
    let id = Dice::of(server.config.seed, &body, 0, "correlation").below(1 << 48);
    set(&mut response, "mistral-correlation-id", &format!("{id:012x}"));
    if let Some(limit) = server.config.requests {
        let a_minute = (limit.per_second() * 60.0) as u64;
        let used = server.window.lock().map_or(0, |window| window.len()) as u64;
        set(&mut response, "x-ratelimit-limit-req-minute", &a_minute.to_string());
        set(&mut response, "x-ratelimit-remaining-req-minute", &a_minute.saturating_sub(used).to_string());
    }
    response
}

fn set(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
}

impl Server {
    async fn answer(&self, headers: &HeaderMap, body: &[u8]) -> Result<Response, Box<Response>> {
        authorized(headers)?;
        self.within_limit()?;
        let request: Value = serde_json::from_slice(body).map_err(|failure| {
            let detail = json!([{ "type": "json_invalid", "loc": ["body", failure.column()], "msg": "JSON decode error", "input": {} }]);
            Box::new(error(StatusCode::UNPROCESSABLE_ENTITY, json!({ "detail": detail })))
        })?;
        let complaints = complaints(&request);
        if !complaints.is_empty() {
            return Err(Box::new(error(StatusCode::UNPROCESSABLE_ENTITY, json!({ "detail": complaints }))));
        }
        let model = request["model"].as_str().unwrap_or_default();
        let known = MODELS.iter().find(|(name, ..)| *name == model);
        if known.is_none_or(|(.., replacement)| replacement.is_some()) {
            let message = format!("Invalid model: {model}");
            return Err(Box::new(object_error(StatusCode::BAD_REQUEST, &message, "invalid_model", "1500")));
        }
        let config = &self.config;
        let nth = self.stats.nth(body);
        tokio::time::sleep(latency(config.latency, &mut Dice::of(config.seed, body, nth, "latency"))).await;
        let given = answer::answer(&request, body, nth, config);
        add(&self.stats.answered, 1);
        add(&self.stats.misfits, u64::from(given.misfit));
        add(&self.stats.prompt_tokens, given.usage.prompt_tokens);
        add(&self.stats.completion_tokens, given.usage.completion_tokens);
        Ok(Json(given.response).into_response())
    }

    /// Refuses what would be one request too many in the last second.
    fn within_limit(&self) -> Result<(), Box<Response>> {
        let (Some(limit), Ok(mut window)) = (self.config.requests, self.window.lock()) else { return Ok(()) };
        let now = Instant::now();
        // A rate below one a second is counted over the time of one request.
        let span = Duration::from_secs(1).max(limit.period());
        while window.front().is_some_and(|first| now.duration_since(*first) >= span) {
            window.pop_front();
        }
        if window.len() as f64 >= (limit.per_second() * span.as_secs_f64()).max(1.0) {
            let message = "Rate limit exceeded";
            return Err(Box::new(object_error(
                StatusCode::TOO_MANY_REQUESTS,
                message,
                "rate_limited",
                "1300",
            )));
        }
        window.push_back(now);
        Ok(())
    }
}

/// Mostly near the middle, now and then much slower, as it is.
fn latency(middle: Duration, dice: &mut Dice) -> Duration {
    let draw = dice.unit();
    middle.mul_f64(0.5 + draw + if draw > 0.9 { (draw - 0.9) * 15.0 } else { 0.0 })
}
