//! Sends a request and retries it until it is answered or cannot succeed. Main type: [`CallResponse`]; the stages
//! that call a model use [`Client::ask`].

use std::{sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderValue},
};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    ApiError, CallError, Client, Endpoint, ErrorAction, Gauge, Reply, RetryPolicy, WaitCause,
    attempt_error::AttemptError,
    decode,
    gauge::{Counted, Waiting},
    http::Answer,
    limit::{
        backoff::{Backoff, End, Next, jitter},
        concurrency::Slot,
        limiter::{Limiter, Permit},
    },
    received::{received_bytes, unreadable},
};

/// An answer and its latency.
#[derive(Debug)]
pub struct CallResponse {
    /// The unmodified response body.
    pub body: Value,
    /// The parsed body.
    pub reply: Reply,
    /// From sending to the last byte.
    pub latency: Duration,
    /// The number of attempts.
    pub tries: u32,
    /// The id to quote to the service's support.
    pub correlation_id: Option<String>,
}

/// A parsed answer.
struct Sent {
    body: Value,
    reply: Reply,
    correlation_id: Option<String>,
    /// The tokens used, if the service reports them.
    used: Option<u64>,
}

/// Why an attempt failed, and how long the request waits if a limit refused it.
struct Failed {
    fault: AttemptError,
    wait: Option<(Duration, WaitCause)>,
}

/// One request, sent once per attempt.
struct Call<'a> {
    endpoint: Endpoint,
    model: &'a str,
    body: Bytes,
    tokens: u64,
    policy: RetryPolicy,
    gauge: &'a Gauge,
}

impl Client {
    /// Sends a request and retries it while the faults are not the request's own.
    ///
    /// `model` is the model named in the body; `tokens` is the estimated number of tokens in prompt and answer,
    /// for the token limit.
    ///
    /// # Errors
    /// See [`CallError`]. Dropping the future ends the request.
    pub async fn ask(
        &self,
        endpoint: Endpoint,
        model: &str,
        body: Bytes,
        tokens: u64,
        policy: RetryPolicy,
        gauge: &Gauge,
    ) -> Result<CallResponse, CallError> {
        let limiter = self.limits.of(model);
        let call = Call { endpoint, model, body, tokens, policy, gauge };
        let mut backoff = Backoff::new(policy);
        let (mut tries, mut refusals) = (0, 0);
        loop {
            let attempt = self.attempt(&call, &limiter, tries, refusals).await?;
            tries += 1;
            let Failed { fault, wait } = match attempt {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            refusals += u32::from(wait.is_some());
            tracing::debug!(tries, %fault, "a request has no answer");
            if let AttemptError::Api(error, _) = &fault
                && error.action() == ErrorAction::Doubt
            {
                self.own_refusal(&limiter, error).await?;
            }
            match (backoff.next(&fault, jitter()), wait) {
                (Ok(Next::Queue), None) => {}
                (Ok(Next::Queue), Some((wait, cause))) => {
                    let _waiting = Waiting::alone(gauge, cause);
                    self.pause(Some(Instant::now() + wait)).await?;
                }
                (Ok(Next::Wait(wait)), _) => {
                    let _waiting = Counted::new(&gauge.waiting);
                    self.pause(Some(Instant::now() + wait)).await?;
                }
                (Err(End::Refused(error)), _) => return Err(CallError::Refused(error)),
                (Err(End::Stop(cause)), _) => return Err(CallError::Stop(cause)),
                (Err(End::GaveUp(last)), _) => return Err(CallError::Exhausted { tries, last }),
            }
        }
    }

    /// Waits until it is clear that a refusal does not affect all requests.
    async fn own_refusal(&self, limiter: &Limiter, error: &ApiError) -> Result<(), CallError> {
        tokio::select! {
            concerns = limiter.own_refusal(error) => concerns.map_err(CallError::Stop),
            () = self.stop.cancelled() => Err(CallError::Stopped),
        }
    }

    /// Sends a request once, when permitted. The slot is held only for this.
    async fn attempt(
        &self,
        call: &Call<'_>,
        limiter: &Limiter,
        tries: u32,
        refusals: u32,
    ) -> Result<Result<CallResponse, Failed>, CallError> {
        let (slot, permit) = self.admit(call, limiter).await?;
        let gauge = call.gauge;
        gauge.requests.fetch_add(1, Ordering::Relaxed);
        gauge.retries.fetch_add(u64::from(tries > 0), Ordering::Relaxed);
        let started = Instant::now();
        let sent = self.send(call, &permit).await?;
        let latency = started.elapsed();
        let fault = match sent {
            Ok(Sent { body, reply, correlation_id, used }) => {
                gauge.accepted.fetch_add(1, Ordering::Relaxed);
                permit.accepted(used, Some(reply.pages).filter(|pages| *pages > 0));
                if let Some(slot) = &slot {
                    slot.answered(latency);
                }
                return Ok(Ok(CallResponse { body, reply, latency, tries: tries + 1, correlation_id }));
            }
            Err(fault) => fault,
        };
        let mut wait = None;
        match &fault {
            AttemptError::Api(error, headers) if error.action() == ErrorAction::RateLimited => {
                gauge.refused.fetch_add(1, Ordering::Relaxed);
                if let Some(slot) = &slot {
                    slot.refused();
                }
                wait = Some(permit.rate_limited(error, headers, refusals, call.policy));
            }
            _ => permit.fault(&fault, call.policy).map_err(CallError::Stop)?,
        }
        Ok(Err(Failed { fault, wait }))
    }

    /// Waits for a slot, then for the limits, so that a permitted request is sent at once.
    async fn admit<'a>(
        &self,
        call: &Call<'_>,
        limiter: &'a Limiter,
    ) -> Result<(Option<Slot>, Permit<'a>), CallError> {
        if self.stop.is_cancelled() {
            return Err(CallError::Stopped);
        }
        let admitted = async {
            let slot = match &self.slots {
                Some(slots) => Some(slots.acquire().await),
                None => None,
            };
            // The number of pages is known only after the document has been read.
            let pages = u64::from(call.endpoint.counts_pages());
            let permit = limiter.acquire(call.tokens, pages, call.gauge).await.map_err(CallError::Stop)?;
            Ok((slot, permit))
        };
        tokio::select! {
            biased;
            admitted = admitted => admitted,
            () = self.stop.cancelled() => Err(CallError::Stopped),
        }
    }

    /// Sends a request and parses the answer.
    async fn send(
        &self,
        call: &Call<'_>,
        permit: &Permit<'_>,
    ) -> Result<Result<Sent, AttemptError>, CallError> {
        let _in_flight = Counted::new(&call.gauge.in_flight);
        let request = self.http.request(Method::POST, call.endpoint.path(), &[], &[]);
        let json = HeaderValue::from_static("application/json");
        let request = request.header(CONTENT_TYPE, json).body(call.body.clone());
        let sent = self.http.exchange_up_to(request, call.endpoint.largest()).await;
        let headers = match &sent {
            Ok(answer) => Some(&answer.limits),
            Err(AttemptError::Api(_, headers)) => Some(&**headers),
            Err(AttemptError::Network { .. } | AttemptError::Unreachable(_)) => None,
        };
        let applied =
            headers.map_or(Ok(()), |headers| permit.apply_headers(headers, call.model, sent.is_ok()));
        // An answer counts even if no other follows.
        if sent.is_err() {
            applied.map_err(CallError::Stop)?;
        }
        Ok(sent.and_then(|answer| {
            let (body, mut reply) = self.understood(call.endpoint, &answer)?;
            if reply.model.is_empty() {
                call.model.clone_into(&mut reply.model);
            }
            // The estimate, if the server reports no usage.
            let used = answer.limits.query_cost.unwrap_or(reply.usage.total_tokens);
            let used = Some(used).filter(|used| *used > 0);
            Ok(Sent { body, reply, correlation_id: answer.correlation_id, used })
        }))
    }

    fn understood(&self, endpoint: Endpoint, answer: &Answer) -> Result<(Value, Reply), AttemptError> {
        if let Some(why) = &answer.unusable {
            let (text, _) = decode::text(&answer.bytes);
            return Ok((Value::Null, unreadable(&text, why)));
        }
        received_bytes(endpoint, &answer.bytes)
            .map_err(|why| AttemptError::unreadable(format!("the answer {why}")))
    }
}
