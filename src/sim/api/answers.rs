//! The endpoints that answer one request.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::Value;

use crate::mistral::wire::CHAT_PATH;

use super::{
    super::{dice::Dice, reply::Refusal, respond, server::Server, stats::add},
    Caller,
};

pub(super) async fn chat(
    State(server): State<Arc<Server>>,
    caller: Result<Caller, Refusal>,
    body: Bytes,
) -> Response {
    let stats = &server.stats;
    let _under_way = stats.arrive();
    let mut response = match answer(&server, CHAT_PATH, caller, &body).await {
        Ok(answer) => answer.into_response(),
        Err(refusal) => {
            let limited = refusal.status == StatusCode::TOO_MANY_REQUESTS;
            add(if limited { &stats.limited } else { &stats.refused }, 1);
            refusal.into_response()
        }
    };
    let id = Dice::of(server.config.seed, &body, 0, "correlation").below(1 << 48);
    set(&mut response, "mistral-correlation-id", &format!("{id:012x}"));
    if let Some(limit) = server.config.requests {
        let a_minute = (limit.per_second() * 60.0) as u64;
        set(&mut response, "x-ratelimit-limit-req-minute", &a_minute.to_string());
        set(
            &mut response,
            "x-ratelimit-remaining-req-minute",
            &a_minute.saturating_sub(server.used()).to_string(),
        );
    }
    response
}

async fn answer(
    server: &Server,
    endpoint: &str,
    caller: Result<Caller, Refusal>,
    body: &[u8],
) -> Result<Json<Value>, Refusal> {
    caller?;
    server.within_limit()?;
    let request: Value = serde_json::from_slice(body).map_err(|failure| Refusal::not_json(&failure))?;
    respond::check(endpoint, &request)?;
    let asked = server.ask(endpoint, &request);
    let config = &server.config;
    let mut dice = Dice::of(config.seed, &asked.identity, asked.nth, "latency");
    tokio::time::sleep(latency(config.latency, &mut dice)).await;
    let given = respond::respond(endpoint, &request, &asked, config);
    server.stats.answer(asked.identity, &given);
    Ok(Json(given.response))
}

fn set(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
}

/// Mostly near the middle, now and then much slower, as it is.
fn latency(middle: Duration, dice: &mut Dice) -> Duration {
    let draw = dice.unit();
    middle.mul_f64(0.5 + draw + if draw > 0.9 { (draw - 0.9) * 15.0 } else { 0.0 })
}
