//! The limiter: one for a connection and model, for everybody who asks that model.
//!
//! Requests and tokens have a bucket each, and every attempt is counted, because the service counts
//! them. What the service tells of its limits counts more than what was configured. A 429 shuts the
//! gate for all, and the breaker sees when nothing works any more.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use crate::units::Rate;

use super::{
    ApiError, Patience, StopCause,
    breaker::{Breaker, Verdict},
    bucket::Bucket,
    gate::Gate,
    http::Fault,
    ladder::dice,
    told::Told,
};

/// The limiters of a connection, made as models are asked.
pub struct Limits {
    requests: Option<Rate>,
    tokens: Option<Rate>,
    models: Mutex<HashMap<String, Arc<Limiter>>>,
}

impl Limits {
    /// The rates that each model begins with, until the service tells others.
    pub fn new(requests: Option<Rate>, tokens: Option<Rate>) -> Self {
        Self { requests, tokens, models: Mutex::default() }
    }

    /// The limiter of a model.
    pub(super) fn of(&self, model: &str) -> Arc<Limiter> {
        let mut models = unpoisoned(&self.models);
        if let Some(limiter) = models.get(model) {
            return Arc::clone(limiter);
        }
        let limiter = Arc::new(Limiter::new(self.requests, self.tokens));
        models.insert(model.to_owned(), Arc::clone(&limiter));
        limiter
    }
}

/// Leave to send one request. While it is a probe, no other request is sent.
pub(super) struct Leave<'a> {
    pub(super) is_probe: bool,
    _probe: Option<tokio::sync::MutexGuard<'a, ()>>,
}

/// The limits of one model.
pub(super) struct Limiter {
    requests: Bucket,
    tokens: Bucket,
    gate: Gate,
    breaker: Mutex<Breaker>,
    probe: tokio::sync::Mutex<()>,
}

impl Limiter {
    fn new(requests: Option<Rate>, tokens: Option<Rate>) -> Self {
        Self {
            requests: Bucket::new(requests),
            tokens: Bucket::new(tokens),
            gate: Gate::default(),
            breaker: Mutex::default(),
            probe: tokio::sync::Mutex::default(),
        }
    }

    /// Waits until a request of about so many tokens may be sent.
    ///
    /// # Errors
    /// Why none may be sent any more.
    pub(super) async fn acquire(&self, tokens: u64) -> Result<Leave<'_>, StopCause> {
        // Before anything is taken: what is taken during a pause would be sent in one burst after it.
        self.gate.pass().await;
        self.requests.take(1).await;
        self.tokens.take(tokens).await;
        self.gate.pass().await;
        let mut probe = None;
        if self.is_on_trial() {
            probe = Some(self.probe.lock().await);
            self.gate.pass().await;
            // The one before may have had an answer.
            if !self.is_on_trial() {
                probe = None;
            }
        }
        match self.breaker().broken() {
            Some(cause) => Err(cause.clone()),
            None => Ok(Leave { is_probe: probe.is_some(), _probe: probe }),
        }
    }

    /// Whether nobody would have to wait now.
    pub(super) fn is_open(&self) -> bool {
        self.requests.is_open() && self.tokens.is_open() && self.gate.until().is_none()
    }

    /// Whether one at a time is sent: after a 429 or a row of faults, until there is an answer.
    fn is_on_trial(&self) -> bool {
        self.gate.is_on_trial() || self.breaker().is_open()
    }

    /// A 429 came to what was sent then: everybody waits. It costs no tokens.
    pub(super) fn held_up(&self, error: &ApiError, sent: Instant, reserved: u64, patience: Patience) {
        self.tokens.settle(reserved, 0);
        self.gate.met(error, sent, patience, dice());
    }

    /// Takes to heart what the service tells.
    ///
    /// # Errors
    /// The limit of which there is nothing at all.
    pub(super) fn learn(&self, told: &Told, model: &str) -> Result<(), StopCause> {
        if let Some(what) = told.never() {
            let cause = StopCause::NoLimit { model: model.to_owned(), what };
            self.breaker().end(cause.clone());
            return Err(cause);
        }
        let cost = told.cost.unwrap_or(1).max(1);
        for (bucket, told, next) in [(&self.requests, told.requests, 1), (&self.tokens, told.tokens, cost)] {
            if let Some(limit) = told.limit {
                bucket.adopt(limit);
            }
            // The window slides: by the time that the next one takes, as much has come free.
            if told.remaining == Some(0)
                && let Some(wait) = bucket.time_for(next)
            {
                self.gate.park(Instant::now() + wait);
            }
        }
        Ok(())
    }

    /// An answer came to what was sent then, that cost so many tokens instead of those reserved.
    pub(super) fn answered(&self, sent: Instant, reserved: u64, used: u64) {
        self.gate.answered(sent);
        self.tokens.settle(reserved, used);
        self.breaker().answered();
    }

    /// The service refused what was sent then, for the request's own sake: it costs no tokens, and no
    /// limit stood in its way.
    pub(super) fn refused(&self, sent: Instant, reserved: u64) {
        self.gate.answered(sent);
        self.tokens.settle(reserved, 0);
    }

    /// A fault came of a request that had this leave.
    ///
    /// # Errors
    /// Why no request is sent any more.
    pub(super) fn fault(&self, fault: &Fault, is_probe: bool, patience: Patience) -> Result<(), StopCause> {
        let verdict = self.breaker().fault(fault, is_probe, patience, dice());
        match verdict {
            Verdict::Alone => Ok(()),
            Verdict::Probe(wait) => {
                self.gate.park(Instant::now() + wait);
                Ok(())
            }
            Verdict::Broken(cause) => Err(cause),
        }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        unpoisoned(&self.breaker)
    }
}

/// Nothing in this room panics while it holds a lock.
pub(super) fn unpoisoned<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::join;
    use tokio::time::sleep;

    use super::{super::told::Dimension, *};

    fn limits(requests: Option<&str>) -> Limits {
        Limits::new(requests.map(|rate| rate.parse().unwrap()), None)
    }

    fn told(limit: u64, remaining: u64) -> Told {
        Told { requests: Dimension { limit: Some(limit), remaining: Some(remaining) }, ..Told::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_up_everybody_on_the_model_and_nobody_else() {
        let started = Instant::now();
        let limits = limits(None);
        let (small, same, large) = (limits.of("small"), limits.of("small"), limits.of("large"));
        small.gate.park(started + Duration::from_secs(7));
        let at = |limiter: Arc<Limiter>| async move {
            limiter.acquire(1).await.map(drop).unwrap();
            started.elapsed().as_secs()
        };
        assert_eq!(join!(at(small), at(same), at(large)), (7, 7, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_pause_the_rate_holds() {
        let started = Instant::now();
        let limits = limits(Some("1/s"));
        let limiter = limits.of("m");
        limiter.gate.park(started + Duration::from_secs(10));
        let at = || async {
            limiter.acquire(0).await.map(drop).unwrap();
            started.elapsed().as_secs()
        };
        assert_eq!(join!(at(), at(), at()), (10, 11, 12));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_429_one_tries_before_all_do() {
        let started = Instant::now();
        let limits = limits(None);
        let limiter = limits.of("m");
        let patience = Patience { times: 3, wait: Duration::from_secs(1), max_wait: Duration::from_secs(9) };
        let mut error = ApiError::read(429, "");
        error.retry_after = Some(Duration::from_secs(4));
        limiter.held_up(&error, started, 0, patience);
        let call = |answered: bool| {
            let (limiter, error) = (&limiter, &error);
            async move {
                let leave = limiter.acquire(0).await.unwrap();
                let (sent, is_probe) = (Instant::now(), leave.is_probe);
                sleep(Duration::from_secs(2)).await;
                match answered {
                    true => limiter.answered(sent, 0, 0),
                    false => limiter.held_up(error, sent, 0, patience),
                }
                ((sent - started).as_secs(), is_probe)
            }
        };
        let sent = join!(call(false), call(true), call(true), call(true));
        assert_eq!(sent, ((4, true), (10, true), (12, false), (12, false)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_service_tells_counts() {
        let started = Instant::now();
        let limits = limits(Some("5/s"));
        let limiter = limits.of("m");
        limiter.learn(&told(30, 12), "m").unwrap();
        for _ in 0..3 {
            limiter.acquire(0).await.map(drop).unwrap();
        }
        assert_eq!(started.elapsed(), Duration::from_secs(4));
        sleep(Duration::from_secs(60)).await;
        let before = Instant::now();
        limiter.learn(&told(30, 0), "m").unwrap();
        limiter.acquire(0).await.map(drop).unwrap();
        assert_eq!(before.elapsed(), Duration::from_secs(2), "nothing is left: the next one waits its time");
        let error = limiter.learn(&told(0, 0), "m").unwrap_err();
        assert_eq!(error.to_string(), "the limit of `m` is 0 requests a minute: this account may not ask it");
    }
}
