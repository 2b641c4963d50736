//! The client: sends a request until there is an answer or no hope of one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderValue},
};
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    ApiError, CallError, ClientError, Connection, Endpoint, Limits, Patience, Reply, StopCause,
    gate::Gate,
    http::{Fault, Http},
    ladder::{End, Ladders, Next, dice},
    read_reply,
};

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
    pub(super) http: Http,
    limits: Arc<Limits>,
    /// What files and jobs wait at.
    pub(super) gate: Arc<Gate>,
    /// How long files and jobs are gone on with.
    pub(super) patience: Patience,
    /// No request waits any longer once this is cancelled; what is under way is finished.
    pub(super) stop: CancellationToken,
}

impl Client {
    /// Makes a client.
    ///
    /// # Errors
    /// A key or an address that is none, or an HTTP library that cannot start.
    pub fn new(
        connection: &Connection,
        limits: Limits,
        stop: CancellationToken,
    ) -> Result<Self, ClientError> {
        let (gate, patience) = (Arc::default(), Patience::default());
        Ok(Self { http: Http::new(connection)?, limits: Arc::new(limits), gate, patience, stop })
    }

    /// The same client with another patience for files and jobs.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
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
        let mut ladders = Ladders::new(patience);
        let mut tries = 0;
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
            tracing::debug!(tries, %fault, "a request has no answer");
            if let Fault::Api(_, limits) = &fault
                && let Some(what) = limits.never()
            {
                return Err(CallError::Stop(StopCause::NoLimit { model: model.to_owned(), what }));
            }
            match ladders.climb(&fault, dice()) {
                // Not this request alone is over the limit: everybody waits.
                Ok(Next::Park(wait)) => self.limits.park(Instant::now() + wait),
                Ok(Next::Wait(wait)) => {
                    let _waiting = Counted::new(&gauge.waiting);
                    self.pause(Some(Instant::now() + wait)).await?;
                }
                Err(End::Refused(error)) => return Err(CallError::Refused(error)),
                Err(End::Stop(cause)) => return Err(CallError::Stop(cause)),
                Err(End::GaveUp(last)) => return Err(CallError::Exhausted { tries, last }),
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
        let request = self.http.request(Method::POST, endpoint.path(), &[], &[]);
        let request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(body);
        let answer = self.http.exchange(request).await?;
        tracing::trace!(limits = ?answer.limits, "the service tells its limits");
        let unreadable = |what: String| {
            let page = String::from_utf8_lossy(&answer.bytes[..answer.bytes.len().min(2000)]);
            let told = ApiError::read(200, &self.http.without_key(&page)).message;
            Fault::unreadable(format!("the answer {what}: {told}"))
        };
        let body = serde_json::from_slice(&answer.bytes)
            .map_err(|error| unreadable(format!("is no JSON ({error})")))?;
        let reply = read_reply(endpoint, &body).map_err(unreadable)?;
        Ok((body, reply, answer.correlation_id))
    }
}
