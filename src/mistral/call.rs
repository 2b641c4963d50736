//! Asking: sends a request until there is an answer or no hope of one.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderValue},
};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    CallError, Client, Endpoint, Fate, Patience, Reply, decode,
    http::{Answer, Fault},
    ladder::{End, Ladders, Next, dice},
    limits::{Leave, Limiter},
    received::{received_bytes, unreadable},
    slots::Slot,
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

/// What one request is, as it is sent again and again.
struct Call<'a> {
    endpoint: Endpoint,
    model: &'a str,
    body: Bytes,
    tokens: u64,
    gauge: &'a Gauge,
}

impl Client {
    /// Asks, and asks again as long as the faults are not the request's own.
    ///
    /// `model` is the one that the body names; `tokens` is about what the request will cost, prompt and
    /// answer, for the limit on tokens.
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
        let limiter = self.limits.of(model);
        let call = Call { endpoint, model, body, tokens, gauge };
        let mut ladders = Ladders::new(patience);
        let mut tries = 0;
        loop {
            let attempt = self.attempt(&call, &limiter, tries, patience).await?;
            tries += 1;
            let fault = match attempt {
                Ok(said) => return Ok(said),
                Err(fault) => fault,
            };
            tracing::debug!(tries, %fault, "a request has no answer");
            match ladders.climb(&fault, dice()) {
                Ok(Next::Queue) => {}
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

    /// Sends a request once, when it may be sent. The slot is held no longer than that.
    async fn attempt(
        &self,
        call: &Call<'_>,
        limiter: &Limiter,
        tries: u32,
        patience: Patience,
    ) -> Result<Result<Said, Fault>, CallError> {
        let (slot, leave) = self.admit(call, limiter).await?;
        call.gauge.requests.fetch_add(1, Ordering::Relaxed);
        call.gauge.retries.fetch_add(u64::from(tries > 0), Ordering::Relaxed);
        let started = Instant::now();
        let sent = self.send(call, limiter).await?;
        let latency = started.elapsed();
        Ok(match sent {
            Ok((body, reply, correlation_id, used)) => {
                limiter.answered(started, call.tokens, used);
                if let Some(slot) = &slot {
                    slot.answered(latency);
                }
                Ok(Said { body, reply, latency, tries: tries + 1, correlation_id })
            }
            Err(fault) => {
                match &fault {
                    // Not this request alone is over the limit: everybody waits.
                    Fault::Api(error, _) if error.fate() == Fate::Park => {
                        limiter.held_up(error, started, call.tokens, patience);
                        if let Some(slot) = &slot {
                            slot.limited();
                        }
                    }
                    _ => {
                        if matches!(&fault, Fault::Api(error, _) if error.status < 500) {
                            limiter.refused(started, call.tokens);
                        }
                        limiter.fault(&fault, leave.is_probe, patience).map_err(CallError::Stop)?;
                    }
                }
                Err(fault)
            }
        })
    }

    /// Waits for a slot and for the limits, in this order: what the limits allow is sent at once.
    async fn admit<'a>(
        &self,
        call: &Call<'_>,
        limiter: &'a Limiter,
    ) -> Result<(Option<Slot>, Leave<'a>), CallError> {
        if self.stop.is_cancelled() {
            return Err(CallError::Stopped);
        }
        let admitted = async {
            let slot = match &self.slots {
                Some(slots) => Some(slots.acquire().await),
                None => None,
            };
            let _waiting = (!limiter.is_open()).then(|| Counted::new(&call.gauge.waiting));
            let leave = limiter.acquire(call.tokens).await.map_err(CallError::Stop)?;
            Ok((slot, leave))
        };
        tokio::select! {
            biased;
            admitted = admitted => admitted,
            () = self.stop.cancelled() => Err(CallError::Stopped),
        }
    }

    /// Sends a request and reads the answer; gives what it cost in tokens, too.
    async fn send(
        &self,
        call: &Call<'_>,
        limiter: &Limiter,
    ) -> Result<Result<(Value, Reply, Option<String>, u64), Fault>, CallError> {
        let _in_flight = Counted::new(&call.gauge.in_flight);
        let request = self.http.request(Method::POST, call.endpoint.path(), &[], &[]);
        let json = HeaderValue::from_static("application/json");
        let request = request.header(CONTENT_TYPE, json).body(call.body.clone());
        let sent = self.http.exchange_up_to(request, call.endpoint.largest()).await;
        let told = match &sent {
            Ok(answer) => Some(&answer.limits),
            Err(Fault::Api(_, told)) => Some(&**told),
            Err(Fault::Network { .. }) => None,
        };
        let learnt = told.map_or(Ok(()), |told| limiter.learn(told, call.model));
        // An answer is an answer, even if there will be no other.
        if sent.is_err() {
            learnt.map_err(CallError::Stop)?;
        }
        Ok(sent.and_then(|answer| {
            let (body, mut reply) = self.understood(call.endpoint, &answer)?;
            if reply.model.is_empty() {
                call.model.clone_into(&mut reply.model);
            }
            // Where the server does not say, the estimate stands.
            let told = answer.limits.cost.unwrap_or(reply.usage.total_tokens);
            let used = if told == 0 { call.tokens } else { told };
            Ok((body, reply, answer.correlation_id, used))
        }))
    }

    fn understood(&self, endpoint: Endpoint, answer: &Answer) -> Result<(Value, Reply), Fault> {
        if let Some(why) = &answer.unusable {
            let (text, _) = decode::text(&answer.bytes);
            return Ok((Value::Null, unreadable(&self.http.without_key(&text), why)));
        }
        received_bytes(endpoint, &answer.bytes)
            .map_err(|why| Fault::unreadable(self.http.without_key(&format!("the answer {why}"))))
    }
}
