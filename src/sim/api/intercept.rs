//! Middleware before all endpoints: counts requests and injects faults.

use std::{io, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};

use crate::{
    mistral::wire::{FILES_PATH, MODELS_PATH},
    sim::{
        api::{LARGEST, answers::refusal_of_limit},
        config::faults::{self, Fault, FaultKind, FaultOn, RetryAfter},
        dice::Dice,
        endpoint,
        reply::Refusal,
        server::Server,
        state::stats::add,
    },
};

/// Longer than any client's timeout.
const NO_ANSWER: Duration = Duration::from_secs(3600);

/// The number of chunks of a slow answer.
const PIECES: usize = 10;

pub(crate) async fn intercept(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    if !path.starts_with("/v1/") {
        return next.run(request).await;
    }
    let answers = request.method() == Method::POST && endpoint::find(path.as_str()).is_some();
    let _under_way = answers.then(|| server.stats.arrive());
    let Ok((request, key)) = keyed(request, &path).await else {
        return Refusal::detail(StatusCode::PAYLOAD_TOO_LARGE, "Request too large").into_response();
    };
    let nth = server.attempt(key);
    let mut dice = Dice::of(server.config.seed, &key, nth, "fault");
    let on = match answers {
        true => FaultOn::Answers,
        false if path.starts_with(MODELS_PATH) => FaultOn::All,
        false => FaultOn::Batch,
    };
    let fault = faults::draw(&server.config.faults, on, server.started.elapsed(), &mut dice);
    let mut response = match fault {
        None => next.run(request).await,
        Some(fault) => {
            add(&server.stats.faults, 1);
            let (response, lost) = befall(fault, request, next, &mut dice).await;
            add(&server.stats.lost, u64::from(answers && lost));
            // The endpoint counts its own refusals.
            if answers && refuses(fault.kind) {
                let limited = response.status() == StatusCode::TOO_MANY_REQUESTS;
                add(if limited { &server.stats.limited } else { &server.stats.refused }, 1);
            }
            response
        }
    };
    let id = format!("{:012x}", dice.below(1 << 48));
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HeaderName::from_static("mistral-correlation-id"), id);
    }
    response
}

/// The key of a request. A multipart form has a new boundary each time, so its body is excluded.
async fn keyed(request: Request, path: &str) -> Result<(Request, [u8; 32]), axum::Error> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(request.method().as_str().as_bytes()).update(request.uri().to_string().as_bytes());
    if path == FILES_PATH || request.method() != Method::POST {
        return Ok((request, *hasher.finalize().as_bytes()));
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LARGEST).await?;
    hasher.update(&[0]).update(&body);
    Ok((Request::from_parts(parts, Body::from(body)), *hasher.finalize().as_bytes()))
}

/// Whether the fault replaces the answer before anything is done.
const fn refuses(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::Capacity | FaultKind::Limit | FaultKind::Status(_) | FaultKind::Html(_))
}

/// The response under a fault, and whether an answer was lost.
async fn befall(fault: &Fault, request: Request, next: Next, dice: &mut Dice) -> (Response, bool) {
    let mut lost = false;
    let mut response = match fault.kind {
        FaultKind::Capacity => {
            let message = "Service tier capacity exceeded for this model.";
            let kind = "service_tier_capacity_exceeded";
            Refusal::object(StatusCode::TOO_MANY_REQUESTS, message, kind, "3505").into_response()
        }
        FaultKind::Limit => refusal_of_limit(dice).into_response(),
        FaultKind::Status(status) => {
            let status = status_of(status);
            let message = status.canonical_reason().unwrap_or("Error");
            let kind =
                if status.is_server_error() { "internal_server_error" } else { "invalid_request_error" };
            Refusal::object(status, message, kind, "3000").into_response()
        }
        FaultKind::Html(status) => page(status_of(status)),
        FaultKind::Cut => broken(stream::iter([Err(cut())])),
        FaultKind::Lost => {
            lost = next.run(request).await.status().is_success();
            broken(stream::iter([Err(cut())]))
        }
        FaultKind::Hang => {
            tokio::time::sleep(NO_ANSWER).await;
            broken(stream::iter([Err(cut())]))
        }
        FaultKind::CutBody => {
            let (status, headers, body) = done(request, next).await;
            lost = status.is_success();
            let half = body.slice(..body.len() / 2);
            let end = pause().map(|()| Err(cut()));
            with_head(status, headers, broken(stream::iter([Ok(half)]).chain(end)))
        }
        FaultKind::WrongLength => {
            let (status, mut headers, body) = done(request, next).await;
            lost = status.is_success();
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len() + 1000));
            let end = pause().map(|()| Ok(Bytes::new()));
            with_head(status, headers, broken(stream::iter([Ok(body)]).chain(end)))
        }
        FaultKind::SlowBody(over) => {
            let (status, headers, body) = done(request, next).await;
            let size = body.len().div_ceil(PIECES).max(1);
            let pieces = (0..body.len()).step_by(size);
            let pieces: Vec<Bytes> = pieces.map(|at| body.slice(at..(at + size).min(body.len()))).collect();
            let slow = stream::iter(pieces).then(move |piece| async move {
                tokio::time::sleep(over / PIECES as u32).await;
                Ok(piece)
            });
            with_head(status, headers, broken(slow))
        }
    };
    if let (true, Some(wait)) = (refuses(fault.kind), fault.retry_after) {
        let (name, value) = match wait {
            RetryAfter::Seconds(wait) => (RETRY_AFTER, wait.as_secs_f64().ceil().to_string()),
            RetryAfter::Date(wait) => (RETRY_AFTER, date(wait)),
            RetryAfter::Millis(wait) => {
                (HeaderName::from_static("retry-after-ms"), wait.as_millis().to_string())
            }
        };
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    (response, lost)
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}

/// A gateway's error page.
fn page(status: StatusCode) -> Response {
    let page = format!(
        "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
    );
    (status, [(CONTENT_TYPE, "text/html")], page).into_response()
}

/// A date in HTTP format.
fn date(ahead: Duration) -> String {
    let at = jiff::Timestamp::now() + ahead;
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn cut() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionReset)
}

/// Time for the bytes written so far to be sent.
fn pause() -> impl futures::Stream<Item = ()> {
    stream::once(tokio::time::sleep(Duration::from_millis(20)))
}

/// A body that fails makes the server close the connection; if it fails at once, before the headers are sent.
fn broken(body: impl futures::Stream<Item = io::Result<Bytes>> + Send + 'static) -> Response {
    Response::new(Body::from_stream(body))
}

/// The endpoint's response.
async fn done(request: Request, next: Next) -> (StatusCode, HeaderMap, Bytes) {
    let (parts, body) = next.run(request).await.into_parts();
    let mut headers = parts.headers;
    headers.remove(CONTENT_LENGTH);
    (parts.status, headers, to_bytes(body, usize::MAX).await.unwrap_or_default())
}

fn with_head(status: StatusCode, headers: HeaderMap, mut response: Response) -> Response {
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
