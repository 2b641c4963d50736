//! How long to wait before a request is sent again, and when to give up: pure, the dice are passed in.
//!
//! Three counts, because three things go wrong: faults of the server or the network, this account's
//! limit (code 1300), and the service's own capacity (code 3505). A request that is held up by a limit
//! is not a faulty one, and has far more patience; how long it waits is its gate's affair.

use std::time::Duration;

use rand::RngExt;

use super::{ApiError, Fate, StopCause, http::Fault};

/// How long to go on with a request that gets no answer. What is held up by a rate limit is no fault, and
/// goes on four times as often, and [`HELD_UP`] times at least.
pub use crate::policy::Retry as Patience;

/// The least times that a request is sent again after each kind of 429.
pub const HELD_UP: u32 = 20;

/// What a request does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It waits alone.
    Wait(Duration),
    /// It waits with everybody else at the gate.
    Queue,
}

/// Why a request does nothing more.
#[derive(Debug)]
pub(super) enum End {
    /// It is the request's own fault.
    Refused(ApiError),
    /// No request can succeed.
    Stop(StopCause),
    /// It has been sent as often as it may.
    GaveUp(String),
}

/// The steps that one request has climbed.
#[derive(Debug)]
pub(super) struct Ladders {
    patience: Patience,
    faults: u32,
    limit: u32,
    capacity: u32,
}

impl Ladders {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, faults: 0, limit: 0, capacity: 0 }
    }

    /// One step up after a fault. `dice` is 0 to 1.
    pub(super) fn climb(&mut self, fault: &Fault, dice: f64) -> Result<Next, End> {
        let Fault::Api(error, _) = fault else {
            return self.fault(&fault.to_string(), None, dice);
        };
        match error.fate() {
            Fate::Fail => Err(End::Refused(error.clone())),
            Fate::Stop => Err(End::Stop(StopCause::Refused(error.clone()))),
            Fate::Unpaid => Err(End::Stop(StopCause::Unpaid(error.clone()))),
            Fate::Retry => self.fault(&error.to_string(), error.retry_after, dice),
            Fate::Park => {
                let count = if error.is_capacity() { &mut self.capacity } else { &mut self.limit };
                *count += 1;
                if *count > self.patience.times.saturating_mul(4).max(HELD_UP) {
                    return Err(End::GaveUp(error.to_string()));
                }
                Ok(Next::Queue)
            }
        }
    }

    fn fault(&mut self, told: &str, asked: Option<Duration>, dice: f64) -> Result<Next, End> {
        self.faults += 1;
        if self.faults > self.patience.times {
            return Err(End::GaveUp(told.to_owned()));
        }
        Ok(Next::Wait(step(self.patience.wait, self.patience.max_wait, self.faults, asked, dice)))
    }
}

/// The wait at a step: what the service asks for, or anything from nothing to the doubled wait, so that
/// those who failed together do not come back together.
pub(super) fn step(
    first: Duration,
    most: Duration,
    count: u32,
    asked: Option<Duration>,
    dice: f64,
) -> Duration {
    match asked {
        Some(asked) => asked.min(most),
        None => first.saturating_mul(1 << (count - 1).min(16)).min(most).mul_f64(dice.clamp(0.0, 1.0)),
    }
}

/// A throw of the dice.
pub(super) fn dice() -> f64 {
    rand::rng().random_range(0.0..=1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { times: 3, wait: Duration::from_secs(1), max_wait: Duration::from_secs(30) };

    fn api(status: u16, body: &str, asked: Option<u64>) -> Fault {
        let mut error = ApiError::read(status, body);
        error.retry_after = asked.map(Duration::from_secs);
        Fault::Api(error, Default::default())
    }

    fn seconds(fault: &Fault, dice: f64) -> Vec<f64> {
        let mut ladders = Ladders::new(PATIENCE);
        std::iter::from_fn(|| match ladders.climb(fault, dice).ok()? {
            Next::Wait(wait) => Some(wait.as_secs_f64()),
            Next::Queue => None,
        })
        .collect()
    }

    #[test]
    fn faults_have_their_steps_and_their_end() {
        assert_eq!(seconds(&api(503, "", None), 1.0), [1.0, 2.0, 4.0]);
        assert_eq!(seconds(&Fault::unreadable("cut".to_owned()), 0.5), [0.5, 1.0, 2.0]);
        assert_eq!(seconds(&api(503, "", Some(2)), 0.0), [2.0, 2.0, 2.0]);
        assert_eq!(seconds(&api(503, "", Some(600)), 0.0), [30.0, 30.0, 30.0]);
    }

    #[test]
    fn what_holds_up_does_not_use_up_the_patience_for_faults() {
        let mut ladders = Ladders::new(PATIENCE);
        for _ in 0..20 {
            assert!(matches!(ladders.climb(&api(429, "", None), 1.0), Ok(Next::Queue)));
        }
        let capacity = api(429, r#"{"code":3505}"#, None);
        assert_eq!(ladders.climb(&capacity, 1.0).ok(), Some(Next::Queue));
        assert_eq!(ladders.climb(&api(500, "", None), 1.0).ok(), Some(Next::Wait(Duration::from_secs(1))));
        assert!(matches!(ladders.climb(&api(422, "", None), 1.0), Err(End::Refused(_))));
        assert!(matches!(ladders.climb(&api(401, "", None), 1.0), Err(End::Stop(StopCause::Refused(_)))));
        assert!(matches!(ladders.climb(&api(402, "", None), 1.0), Err(End::Stop(StopCause::Unpaid(_)))));
        assert!(matches!(ladders.climb(&api(429, "", None), 1.0), Err(End::GaveUp(_))));
    }
}
