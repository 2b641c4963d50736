//! How long to wait before a retry, and when to give up: pure, the jitter is passed in. Main types: [`Backoff`],
//! one for each request, and [`RetryPolicy`], set by a stage.
//!
//! There are three counts, for three kinds of failure: faults of the server or the network, this account's limit
//! (code 1300), and the service's own capacity (code 3505). A request held up by a limit is not faulty and is
//! retried far more often; its wait is up to the limiter.

use std::time::Duration;

use rand::RngExt;

use crate::mistral::{ApiError, ErrorAction, StopCause, attempt_error::AttemptError};

/// How long to retry a request that gets no answer. Being held up by a rate limit is not a fault, and is retried
/// four times as often, and at least [`MIN_RATE_LIMIT_RETRIES`] times.
pub use crate::policy::Retry as RetryPolicy;

/// The minimum number of retries after each kind of 429.
pub const MIN_RATE_LIMIT_RETRIES: u32 = 20;

/// What a request does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mistral) enum Next {
    /// It alone waits.
    Wait(Duration),
    /// It waits as the limiter requires.
    Queue,
}

/// Why a request is not retried.
#[derive(Debug)]
pub(in crate::mistral) enum End {
    /// The request itself is at fault.
    Refused(ApiError),
    /// No request can succeed.
    Stop(StopCause),
    /// Its retries are used up.
    GaveUp(String),
}

/// The failures of one request.
#[derive(Debug)]
pub(in crate::mistral) struct Backoff {
    policy: RetryPolicy,
    faults: u32,
    limit: u32,
    capacity: u32,
}

impl Backoff {
    pub(in crate::mistral) fn new(policy: RetryPolicy) -> Self {
        Self { policy, faults: 0, limit: 0, capacity: 0 }
    }

    /// The next step after a fault. `jitter` is 0 to 1.
    pub(in crate::mistral) fn next(&mut self, fault: &AttemptError, jitter: f64) -> Result<Next, End> {
        let error = match fault {
            AttemptError::Api(error, _) => error,
            AttemptError::Network { reported, retry_after, .. } => {
                return self.fault(reported, *retry_after, jitter);
            }
            AttemptError::Unreachable(cause) => return Err(End::Stop(cause.clone())),
        };
        match error.action() {
            // The limiter finds out whether it concerns all requests.
            ErrorAction::Fail | ErrorAction::Doubt => Err(End::Refused(error.clone())),
            ErrorAction::Stop => Err(End::Stop(StopCause::Refused(error.clone()))),
            ErrorAction::Unpaid => Err(End::Stop(StopCause::Unpaid(error.clone()))),
            ErrorAction::Retry => self.fault(&error.to_string(), error.retry_after, jitter),
            ErrorAction::RateLimited => {
                let count = if error.is_capacity() { &mut self.capacity } else { &mut self.limit };
                *count += 1;
                if *count > self.policy.times.saturating_mul(4).max(MIN_RATE_LIMIT_RETRIES) {
                    return Err(End::GaveUp(error.to_string()));
                }
                Ok(Next::Queue)
            }
        }
    }

    fn fault(&mut self, reported: &str, asked: Option<Duration>, jitter: f64) -> Result<Next, End> {
        self.faults += 1;
        if self.faults > self.policy.times {
            return Err(End::GaveUp(reported.to_owned()));
        }
        Ok(Next::Wait(delay(self.policy.wait, self.policy.max_wait, self.faults, asked, jitter)))
    }
}

/// The wait after `count` failures: what the service asks for, or a random part of the doubled wait, so that requests
/// that failed together are not retried together.
pub(in crate::mistral) fn delay(
    first: Duration,
    most: Duration,
    count: u32,
    asked: Option<Duration>,
    jitter: f64,
) -> Duration {
    match asked {
        Some(asked) => asked.min(most),
        None => first.saturating_mul(1 << (count - 1).min(16)).min(most).mul_f64(jitter.clamp(0.0, 1.0)),
    }
}

/// A random number from 0 to 1.
pub(in crate::mistral) fn jitter() -> f64 {
    rand::rng().random_range(0.0..=1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy =
        RetryPolicy { times: 3, wait: Duration::from_secs(1), max_wait: Duration::from_secs(30) };

    fn api(status: u16, body: &str, asked: Option<u64>) -> AttemptError {
        let mut error = ApiError::read(status, body);
        error.retry_after = asked.map(Duration::from_secs);
        AttemptError::Api(error, Default::default())
    }

    fn seconds(fault: &AttemptError, jitter: f64) -> Vec<f64> {
        let mut backoff = Backoff::new(POLICY);
        std::iter::from_fn(|| match backoff.next(fault, jitter).ok()? {
            Next::Wait(wait) => Some(wait.as_secs_f64()),
            Next::Queue => None,
        })
        .collect()
    }

    #[test]
    fn faults_have_their_steps_and_their_end() {
        assert_eq!(seconds(&api(503, "", None), 1.0), [1.0, 2.0, 4.0]);
        assert_eq!(seconds(&AttemptError::unreadable("cut".to_owned()), 0.5), [0.5, 1.0, 2.0]);
        assert_eq!(seconds(&api(503, "", Some(2)), 0.0), [2.0, 2.0, 2.0]);
        assert_eq!(seconds(&api(503, "", Some(600)), 0.0), [30.0, 30.0, 30.0]);
    }

    #[test]
    fn rate_limits_do_not_use_up_the_retries_for_faults() {
        let mut backoff = Backoff::new(POLICY);
        for _ in 0..20 {
            assert!(matches!(backoff.next(&api(429, "", None), 1.0), Ok(Next::Queue)));
        }
        let capacity = api(429, r#"{"code":3505}"#, None);
        assert_eq!(backoff.next(&capacity, 1.0).ok(), Some(Next::Queue));
        assert_eq!(backoff.next(&api(500, "", None), 1.0).ok(), Some(Next::Wait(Duration::from_secs(1))));
        assert!(matches!(backoff.next(&api(422, "", None), 1.0), Err(End::Refused(_))));
        assert!(matches!(backoff.next(&api(401, "", None), 1.0), Err(End::Stop(StopCause::Refused(_)))));
        assert!(matches!(backoff.next(&api(402, "", None), 1.0), Err(End::Stop(StopCause::Unpaid(_)))));
        assert!(matches!(backoff.next(&api(429, "", None), 1.0), Err(End::GaveUp(_))));
    }
}
