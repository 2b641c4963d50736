//! The client: sends a request until there is an answer or no hope of one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use rand::RngExt;
use reqwest::{
    StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
};
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{ApiError, CallError, ClientError, Endpoint, Fate, Limits, Reply, read_reply};

/// The time in which a server must take up a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// The time in which an answer must be there in full; a long answer of a busy model takes minutes.
const ANSWER: Duration = Duration::from_secs(300);

/// How to reach a server.
#[derive(Clone)]
pub struct Connection {
    /// Its address; a `/v1` at its end is not needed, and taken as read.
    pub base_url: String,
    /// The key.
    pub api_key: String,
}

/// How long to go on with a request that gets no answer.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How often it is sent again after a fault of the server or the network. What is held up by a
    /// rate limit is no fault, and goes on four times as often.
    pub times: u32,
    /// The first wait; it doubles.
    pub wait: Duration,
    /// The longest wait.
    pub max_wait: Duration,
}

/// What those see who watch: counts since the start, and how many there are now.
#[derive(Debug, Default)]
pub struct Gauge {
    /// Requests sent.
    pub requests: AtomicU64,
    /// Of these, sent again.
    pub retries: AtomicU64,
    /// Under way now.
    pub in_flight: AtomicI64,
    /// Waiting for a limit now.
    pub waiting: AtomicI64,
}

/// Adds one to a count for as long as it lives.
struct Counted<'a>(&'a AtomicI64);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicI64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer, and how long it took.
#[derive(Debug)]
pub struct Said {
    /// The answer, as it came.
    pub body: Value,
    /// What it says.
    pub reply: Reply,
    /// From sending to the last byte.
    pub latency: Duration,
    /// How often the request was sent.
    pub tries: u32,
    /// What to name when asking the service about it.
    pub correlation_id: Option<String>,
}

/// A client of one server; clones share its connections and limits.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Arc<str>,
    limits: Arc<Limits>,
    /// No request waits any longer once this is cancelled; what is under way is finished.
    stop: CancellationToken,
}

/// Why a single try gave no answer.
enum Fault {
    Api(ApiError),
    Network(String),
}

impl Client {
    /// Makes a client.
    ///
    /// # Errors
    /// A key that is none, or an HTTP library that cannot start.
    pub fn new(
        connection: &Connection,
        limits: Limits,
        stop: CancellationToken,
    ) -> Result<Self, ClientError> {
        // A provider that is installed already is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut key = HeaderValue::from_str(&format!("Bearer {}", connection.api_key))
            .map_err(|_| ClientError::BadKey)?;
        key.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, key);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let http = reqwest::Client::builder()
            .user_agent(concat!("etl/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .build()
            .map_err(ClientError::Http)?;
        let base = connection.base_url.trim_end_matches('/');
        let base = base.strip_suffix("/v1").unwrap_or(base).into();
        Ok(Self { http, base, limits: Arc::new(limits), stop })
    }

    /// Asks, and asks again as long as the faults are not the request's own.
    ///
    /// `model` is the one that the body names; `tokens` is about what the request will cost, for the
    /// limit on tokens.
    ///
    /// # Errors
    /// See [`CallError`]. Dropping the future ends the request.
    pub async fn ask(
        &self,
        endpoint: Endpoint,
        model: &str,
        body: Bytes,
        tokens: u64,
        patience: Patience,
        gauge: &Gauge,
    ) -> Result<Said, CallError> {
        let (mut tries, mut faults, mut held_up) = (0, 0, 0);
        loop {
            self.wait_for_limit(tokens, gauge).await?;
            gauge.requests.fetch_add(1, Ordering::Relaxed);
            gauge.retries.fetch_add(u64::from(tries > 0), Ordering::Relaxed);
            tries += 1;
            let started = Instant::now();
            let fault = match self.send(endpoint, body.clone(), gauge).await {
                Ok((body, mut reply, correlation_id)) => {
                    if reply.model.is_empty() {
                        model.clone_into(&mut reply.model);
                    }
                    return Ok(Said { body, reply, latency: started.elapsed(), tries, correlation_id });
                }
                Err(fault) => fault,
            };
            let (fate, asked, told) = match fault {
                Fault::Network(told) => (Fate::Retry, None, told),
                Fault::Api(error) => match error.fate() {
                    Fate::Fail => return Err(CallError::Refused(error)),
                    Fate::Stop => return Err(CallError::Stop(error)),
                    fate => (fate, error.retry_after, error.to_string()),
                },
            };
            let (count, most) = match fate {
                Fate::Park => (&mut held_up, patience.times.saturating_mul(4)),
                _ => (&mut faults, patience.times),
            };
            *count += 1;
            if *count > most {
                return Err(CallError::Exhausted { tries, last: told });
            }
            tracing::debug!(tries, fault = told, "a request is sent again");
            let wait = asked.map_or_else(|| jittered(patience, *count), |asked| asked.min(patience.max_wait));
            if fate == Fate::Park {
                // Not this request alone is over the limit: everybody waits.
                self.limits.park(Instant::now() + wait);
            } else {
                let _waiting = Counted::new(&gauge.waiting);
                tokio::select! {
                    () = sleep(wait) => {}
                    () = self.stop.cancelled() => return Err(CallError::Stopped),
                }
            }
        }
    }

    async fn wait_for_limit(&self, tokens: u64, gauge: &Gauge) -> Result<(), CallError> {
        if self.stop.is_cancelled() {
            return Err(CallError::Stopped);
        }
        let _waiting = (!self.limits.is_open()).then(|| Counted::new(&gauge.waiting));
        tokio::select! {
            biased;
            () = self.limits.acquire(tokens) => Ok(()),
            () = self.stop.cancelled() => Err(CallError::Stopped),
        }
    }

    async fn send(
        &self,
        endpoint: Endpoint,
        body: Bytes,
        gauge: &Gauge,
    ) -> Result<(Value, Reply, Option<String>), Fault> {
        let _in_flight = Counted::new(&gauge.in_flight);
        let network = |error: reqwest::Error| Fault::Network(chain(&error.without_url()));
        let url = format!("{}{}", self.base, endpoint.path());
        let response = self.http.post(url).body(body).send().await.map_err(network)?;
        let status = response.status();
        let headers = response.headers().clone();
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let correlation_id = text("mistral-correlation-id").map(str::to_owned);
        let bytes = response.bytes().await.map_err(network)?;
        if !status.is_success() {
            let mut error = ApiError::read(status.as_u16(), &String::from_utf8_lossy(&bytes));
            error.correlation_id = correlation_id;
            error.retry_after = retry_after(&headers, status);
            return Err(Fault::Api(error));
        }
        let page = || {
            let page = String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]);
            ApiError::read(status.as_u16(), &page).message
        };
        let body = serde_json::from_slice(&bytes)
            .map_err(|error| Fault::Network(format!("the answer is no JSON ({error}): {}", page())))?;
        let reply = read_reply(endpoint, &body)
            .map_err(|what| Fault::Network(format!("the answer {what}: {}", page())))?;
        Ok((body, reply, correlation_id))
    }
}

/// How long the service asks to wait: seconds, milliseconds or a date.
fn retry_after(headers: &HeaderMap, status: StatusCode) -> Option<Duration> {
    if status != StatusCode::TOO_MANY_REQUESTS && !status.is_server_error() {
        return None;
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(ms) = text("retry-after-ms").and_then(|ms| ms.parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(ms / 1e3).ok();
    }
    let text = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    let wait = date.timestamp().as_second() - jiff::Timestamp::now().as_second();
    Some(Duration::from_secs(wait.max(0) as u64))
}

/// Full jitter: anything from nothing to the doubled wait, so that those who failed together do not
/// come back together.
fn jittered(patience: Patience, count: u32) -> Duration {
    let most = patience.wait.saturating_mul(1 << (count - 1).min(16)).min(patience.max_wait);
    most.mul_f64(rand::rng().random_range(0.0..=1.0))
}

/// An error with its causes: the outermost one of the HTTP library says nothing.
fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        told.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    told
}
