//! The circuit breaker: detects that everything fails in the same way, and stops before all requests are wasted.
//!
//! A few dozen consecutive faults open it. Then single requests are sent as probes, with growing pauses in which
//! all others wait; an answer closes it, and too many failed probes end the run. Being held up by a limit is not
//! a fault and does not count.

use std::time::Duration;

use crate::mistral::{ErrorAction, StopCause, attempt_error::AttemptError};

use super::{RetryPolicy, backoff::delay};

/// Consecutive faults that open the breaker; more than a brief disturbance causes in a dozen calls.
pub(super) const STREAK: u32 = 24;

/// The minimum number of failed probes before the run ends.
const PROBES: u32 = 3;

/// The kind of fault.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// There is no connection.
    Unreachable,
    /// There is a connection, but no answer.
    Faulty,
    /// The same refusal.
    Refused(u16, Option<String>),
}

/// The consequence of a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It concerns only the request.
    Alone,
    /// All requests wait, then one is sent as a probe.
    Probe(Duration),
    /// The run ends.
    Broken(StopCause),
}

/// Counts the consecutive faults of one limiter.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    streak: u32,
    kind: Option<Kind>,
    probes: u32,
    answered: bool,
    broken: Option<StopCause>,
}

impl Breaker {
    /// Whether only probes are sent.
    pub(super) fn is_open(&self) -> bool {
        self.streak >= STREAK && !matches!(self.kind, Some(Kind::Refused(..)))
    }

    /// Why no request is sent any more, once that is decided.
    pub(super) fn broken(&self) -> Option<&StopCause> {
        self.broken.as_ref()
    }

    /// Whether any request has been answered.
    pub(super) fn has_answered(&self) -> bool {
        self.answered
    }

    /// Records an answer.
    pub(super) fn answered(&mut self) {
        *self = Self { answered: true, broken: self.broken.take(), ..Self::default() };
    }

    /// Records a fault; `probe` is whether the request was sent while the breaker was open.
    pub(super) fn fault(
        &mut self,
        fault: &AttemptError,
        probe: bool,
        policy: RetryPolicy,
        jitter: f64,
    ) -> Verdict {
        if let Some(cause) = final_word(fault) {
            return self.end(cause);
        }
        let kind = match fault {
            AttemptError::Network { sent: false, .. } | AttemptError::Unreachable(_) => Kind::Unreachable,
            AttemptError::Network { sent: true, .. } => Kind::Faulty,
            AttemptError::Api(error, _) if error.status >= 500 => Kind::Faulty,
            AttemptError::Api(error, _) => Kind::Refused(error.status, error.code.clone()),
        };
        let refusal = matches!(kind, Kind::Refused(..));
        if self.kind.as_ref() == Some(&kind) {
            self.streak += 1;
        } else {
            (self.kind, self.streak, self.probes) = (Some(kind), 1, 0);
        }
        if self.streak < STREAK {
            return Verdict::Alone;
        }
        if refusal {
            // After an answer, consecutive refusals are bad records, not a bad configuration.
            return match fault {
                _ if self.answered => Verdict::Alone,
                AttemptError::Api(error, _) if error.action() == ErrorAction::Doubt => {
                    self.end(StopCause::Refused(error.clone()))
                }
                _ => self.give_up(fault),
            };
        }
        // A `Retry-After` applies only to its request; a failed connection sets the pause for all.
        let asked = match fault {
            AttemptError::Network { retry_after, .. } => *retry_after,
            AttemptError::Api(..) | AttemptError::Unreachable(_) => None,
        };
        // Requests in flight when it opened add no information.
        self.probes += u32::from(probe);
        if self.probes > policy.times.max(PROBES) {
            return self.give_up(fault);
        }
        Verdict::Probe(delay(policy.wait, policy.max_wait, self.probes.max(1), asked, jitter))
    }

    fn give_up(&mut self, fault: &AttemptError) -> Verdict {
        self.end(StopCause::Broken { count: self.streak, last: fault.to_string() })
    }

    /// Stops sending. The first cause is kept.
    pub(super) fn end(&mut self, cause: StopCause) -> Verdict {
        Verdict::Broken(self.broken.get_or_insert(cause).clone())
    }
}

/// The cause, if every other request would fail the same way.
fn final_word(fault: &AttemptError) -> Option<StopCause> {
    let error = match fault {
        AttemptError::Api(error, _) => error,
        AttemptError::Network { .. } => return None,
        AttemptError::Unreachable(cause) => return Some(cause.clone()),
    };
    match error.action() {
        ErrorAction::Stop => Some(StopCause::Refused(error.clone())),
        ErrorAction::Unpaid => Some(StopCause::Unpaid(error.clone())),
        ErrorAction::Fail | ErrorAction::Doubt | ErrorAction::Retry | ErrorAction::RateLimited => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mistral::ApiError;

    const POLICY: RetryPolicy =
        RetryPolicy { times: 4, wait: Duration::from_secs(1), max_wait: Duration::from_secs(5) };

    fn api(status: u16, code: &str) -> AttemptError {
        let body = format!(r#"{{"message":"no","code":"{code}"}}"#);
        AttemptError::Api(ApiError::read(status, &body), Default::default())
    }

    fn after(breaker: &mut Breaker, fault: &AttemptError, times: u32) -> Vec<Verdict> {
        (0..times).map(|_| breaker.fault(fault, breaker.is_open(), POLICY, 1.0)).collect()
    }

    #[test]
    fn a_dead_server_ends_the_run_after_a_few_probes() {
        let starting = AttemptError::Network {
            reported: "connection refused".to_owned(),
            sent: false,
            retry_after: Some(Duration::from_secs(1)),
        };
        let mut breaker = Breaker::default();
        after(&mut breaker, &starting, 23);
        let pause = breaker.fault(&starting, false, POLICY, 0.0);
        assert_eq!(pause, Verdict::Probe(Duration::from_secs(1)), "whatever the jitter");

        let mut breaker = Breaker::default();
        let dead = AttemptError::Network {
            reported: "connection refused".to_owned(),
            sent: false,
            retry_after: None,
        };
        assert_eq!(after(&mut breaker, &dead, 23), vec![Verdict::Alone; 23]);
        assert!(!breaker.is_open());
        let waits: Vec<Verdict> =
            [1, 1, 2, 4, 5].map(|wait| Verdict::Probe(Duration::from_secs(wait))).into();
        assert_eq!(after(&mut breaker, &dead, 5), waits);
        assert!(breaker.is_open() && breaker.broken().is_none());
        let reported = "29 requests in a row failed in the same way; the last error: connection refused";
        let [Verdict::Broken(cause)] = &after(&mut breaker, &dead, 1)[..] else { panic!("it goes on") };
        assert_eq!((cause.to_string().as_str(), breaker.broken()), (reported, Some(cause)));
    }

    #[test]
    fn a_wrong_key_ends_it_at_once() {
        let mut breaker = Breaker::default();
        let [Verdict::Broken(first)] = &after(&mut breaker, &api(401, ""), 1)[..] else {
            panic!("it goes on")
        };
        assert!(matches!(first, StopCause::Refused(_)));
        assert_eq!(after(&mut breaker, &api(402, ""), 1), [Verdict::Broken(first.clone())]);
    }

    #[test]
    fn what_was_under_way_is_no_probe_and_an_answer_closes_it() {
        let mut breaker = Breaker::default();
        after(&mut breaker, &api(503, ""), 24);
        for _ in 0..100 {
            let verdict = breaker.fault(&AttemptError::unreadable("cut".to_owned()), false, POLICY, 1.0);
            assert_eq!(verdict, Verdict::Probe(Duration::from_secs(1)));
        }
        breaker.answered();
        assert!(!breaker.is_open());
        assert_eq!(after(&mut breaker, &api(500, ""), 1), [Verdict::Alone]);
    }

    #[test]
    fn a_row_of_the_same_refusal_ends_a_run_that_never_had_an_answer() {
        let mut breaker = Breaker::default();
        after(&mut breaker, &api(422, ""), 12);
        after(&mut breaker, &api(400, "3051"), 23);
        assert!(matches!(after(&mut breaker, &api(400, "3051"), 1)[..], [Verdict::Broken(_)]));

        let mut breaker = Breaker::default();
        breaker.answered();
        assert_eq!(after(&mut breaker, &api(400, "3059"), 100), vec![Verdict::Alone; 100]);
    }
}
