//! Management calls: files, jobs, the list of models.
//!
//! They wait at a separate gate: a model's limit neither delays them nor counts them. Each is idempotent and may
//! be retried after any fault, except creating a job, which has its own logic.

use reqwest::RequestBuilder;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep_until};

use super::{
    CallError, Client, ErrorAction, StopCause,
    attempt_error::AttemptError,
    http::Answer,
    limit::backoff::{Backoff, End, Next, jitter},
};

impl Client {
    /// Sends a request, retries it until it is answered, and parses the answer.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<T, CallError> {
        self.retry(request, false, |answer| parse(&answer)).await
    }

    /// Sends a request and retries it until a readable answer arrives.
    pub(super) async fn retry<T>(
        &self,
        request: impl Fn() -> RequestBuilder,
        file: bool,
        read: impl Fn(Answer) -> Result<T, AttemptError>,
    ) -> Result<T, CallError> {
        let mut backoff = Backoff::new(self.policy);
        let mut tries = 0;
        loop {
            tries += 1;
            let fault = match self.once(request(), file).await?.and_then(&read) {
                Ok(value) => return Ok(value),
                Err(fault) => fault,
            };
            self.after(&mut backoff, &fault, tries).await?;
        }
    }

    /// Sends a request once, when the gate is open.
    pub(super) async fn once(
        &self,
        request: RequestBuilder,
        file: bool,
    ) -> Result<Result<Answer, AttemptError>, CallError> {
        self.pause(self.gate.until()).await?;
        let sent = Instant::now();
        let answer = if file {
            tokio::select! {
                answer = self.http.exchange_file(request) => answer,
                () = self.stop.cancelled() => return Err(CallError::Stopped),
            }
        } else {
            // Completed even if the run is stopped meanwhile: its effect must be known.
            self.http.exchange(request).await
        };
        match &answer {
            Ok(_) => self.gate.answered(sent),
            Err(AttemptError::Api(error, _)) if error.action() == ErrorAction::RateLimited => {
                self.gate.on_rate_limited(error, sent, self.policy, jitter());
            }
            Err(_) => {}
        }
        Ok(answer)
    }

    /// Waits as a fault requires, or fails.
    pub(super) async fn after(
        &self,
        backoff: &mut Backoff,
        fault: &AttemptError,
        tries: u32,
    ) -> Result<(), CallError> {
        match backoff.next(fault, jitter()) {
            Ok(Next::Wait(wait)) => self.pause(Some(Instant::now() + wait)).await,
            Ok(Next::Queue) => Ok(()),
            // A 404 concerns only this call; a missing permission or a moved server concerns all.
            Err(End::Refused(error)) if error.action() == ErrorAction::Doubt && error.status != 404 => {
                Err(CallError::Stop(StopCause::Refused(error)))
            }
            Err(End::Refused(error)) => Err(CallError::Refused(error)),
            Err(End::Stop(cause)) => Err(CallError::Stop(cause)),
            Err(End::GaveUp(last)) => Err(CallError::Exhausted { tries, last }),
        }
    }

    /// Waits until an instant, unless the run is stopped first.
    pub(super) async fn pause(&self, until: Option<Instant>) -> Result<(), CallError> {
        if self.stop.is_cancelled() {
            return Err(CallError::Stopped);
        }
        let Some(until) = until else { return Ok(()) };
        tokio::select! {
            () = sleep_until(until) => Ok(()),
            () = self.stop.cancelled() => Err(CallError::Stopped),
        }
    }
}

/// Parses a JSON answer.
pub(super) fn parse<T: DeserializeOwned>(answer: &Answer) -> Result<T, AttemptError> {
    serde_json::from_slice(&answer.bytes)
        .map_err(|error| AttemptError::unreadable(format!("expected a response of the service: {error}")))
}
