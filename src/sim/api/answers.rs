//! The endpoints that answer one request.

use std::{sync::Arc, time::Instant};

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::sim::{
    answer::prompt_tokens,
    api::{Caller, stream},
    dice::Dice,
    endpoint,
    reply::Refusal,
    server::Server,
    state::{
        limits::{Asker, Left, Use},
        stats::add,
    },
};

pub(crate) async fn answer(
    State(server): State<Arc<Server>>,
    uri: Uri,
    caller: Result<Caller, Refusal>,
    body: Bytes,
) -> Response {
    let key = caller.as_ref().map_or_else(|_| String::new(), |Caller(key)| key.clone());
    let request = caller
        .and_then(|_| serde_json::from_slice::<Value>(&body).map_err(|failure| Refusal::not_json(&failure)));
    let model =
        request.as_ref().map_or("", |request| request["model"].as_str().unwrap_or_default()).to_owned();
    let streamed = request.as_ref().is_ok_and(|request| request["stream"] == true);
    let answered = match request {
        Ok(request) => answer_request(&server, uri.path(), (&key, &model), &request).await,
        Err(refusal) => Err(refusal),
    };
    let (mut response, cost) = match answered {
        Ok((answer, cost)) if streamed => (stream::events(&answer), cost),
        Ok((answer, cost)) => (Json(answer).into_response(), cost),
        Err(refusal) => {
            let limited = refusal.status == StatusCode::TOO_MANY_REQUESTS;
            add(if limited { &server.stats.limited } else { &server.stats.refused }, 1);
            (refusal.into_response(), 0)
        }
    };
    for Left { name, limit, left } in server.limits.left((&key, &model), Instant::now()) {
        set(&mut response, &format!("x-ratelimit-limit-{name}"), limit);
        set(&mut response, &format!("x-ratelimit-remaining-{name}"), left);
        if name.starts_with("tokens") {
            set(&mut response, "x-ratelimit-tokens-query-cost", cost);
        }
    }
    response
}

fn set(response: &mut Response, name: &str, value: u64) {
    if let Ok(name) = HeaderName::try_from(name) {
        response.headers_mut().insert(name, HeaderValue::from(value));
    }
}

/// The answer and its token usage.
async fn answer_request(
    server: &Server,
    endpoint: &str,
    asker: Asker<'_>,
    request: &Value,
) -> Result<(Value, u64), Refusal> {
    let is_document = u64::from(request["document"].is_object());
    let least = Use { requests: 1, tokens: prompt_tokens(request), pages: is_document };
    if !server.limits.admit(asker, least, Instant::now()) {
        return Err(limited(server, request));
    }
    endpoint::check(endpoint, request)?;
    let asked = server.registry.ask(endpoint, request);
    let mut dice = Dice::of(server.config.seed, &asked.identity, asked.nth, "latency");
    tokio::time::sleep(server.config.latencies().draw(&mut dice)).await;
    let given = endpoint::respond(server, endpoint, request, &asked);
    let pages = given.response["usage_info"]["pages_processed"].as_u64().unwrap_or(0);
    let more =
        Use { requests: 0, tokens: given.usage.completion_tokens, pages: pages.saturating_sub(is_document) };
    server.limits.spend(asker, more, Instant::now());
    Ok((given.response, given.usage.total_tokens))
}

/// Uses one of two shapes seen in practice.
fn limited(server: &Server, request: &Value) -> Refusal {
    let text = request["messages"].to_string();
    refusal_of_limit(&mut Dice::of(server.config.seed, text.as_bytes(), 0, "limited"))
}

pub(crate) fn refusal_of_limit(dice: &mut Dice) -> Refusal {
    if dice.chance(0.5) {
        return Refusal::object(StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded", "rate_limited", "1300");
    }
    Refusal::new(StatusCode::TOO_MANY_REQUESTS, json!({ "message": "Requests rate limit exceeded" }))
}
