//! The limiter: one for each connection and model, shared by all its callers.
//!
//! Main types: [`Limits`], which holds the limiters of a connection, [`Limiter`], and [`Permit`], the permission
//! to send one request, acquired by each attempt of [`Client::ask`](crate::mistral::Client::ask). Configured
//! limits are upper bounds (leaky buckets), announced and learned limits belong to the rate controller, and the
//! breaker detects that nothing works any more. Requests wait in a queue whose head waits for all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::{
    mistral::{
        ApiError, StopCause, WaitCause,
        attempt_error::AttemptError,
        gauge::{Gauge, Waiting},
        lock::unpoisoned,
        rate_limit_headers::RateLimitHeaders,
    },
    units::Rate,
};

use super::{
    RetryPolicy,
    announced::{Admission, Cost, Windows},
    backoff::jitter,
    breaker::{Breaker, Verdict},
    bucket::Bucket,
    controller::{Controller, Refusal, Start, Wait},
};

/// The limiters of a connection, created when a model is first used.
pub struct Limits {
    requests: Option<Rate>,
    tokens: Option<Rate>,
    account: Arc<Mutex<Account>>,
    models: Mutex<HashMap<String, Arc<Limiter>>>,
}

/// The limits shared by all models of the account.
#[derive(Default)]
struct Account {
    windows: Windows,
    next: u64,
}

impl Limits {
    /// Rates that no model may exceed, whatever the service announces.
    pub fn new(requests: Option<Rate>, tokens: Option<Rate>) -> Self {
        Self { requests, tokens, account: Arc::default(), models: Mutex::default() }
    }

    /// The limiter of a model.
    pub(in crate::mistral) fn of(&self, model: &str) -> Arc<Limiter> {
        let mut models = unpoisoned(&self.models);
        if let Some(limiter) = models.get(model) {
            return Arc::clone(limiter);
        }
        let limiter = Arc::new(Limiter::new(self.requests, self.tokens, Arc::clone(&self.account)));
        models.insert(model.to_owned(), Arc::clone(&limiter));
        limiter
    }
}

/// The limits of one model.
pub(in crate::mistral) struct Limiter {
    requests: Bucket,
    tokens: Bucket,
    state: Mutex<State>,
    account: Arc<Mutex<Account>>,
    /// Held by the head of the queue; the others wait for the lock, in order.
    turn: tokio::sync::Mutex<()>,
    /// Notified when the head may be able to continue sooner.
    changed: Notify,
    /// Notified at the first answer, and when no request is sent any more.
    pub(super) decided: Notify,
    begun: Instant,
}

pub(super) struct State {
    controller: Controller,
    pub(super) breaker: Breaker,
    /// Requests sent, and how many of them are in flight.
    pub(super) sent: u64,
    pub(super) under_way: u64,
    /// While the breaker is open: when the next probe may be sent, and whether one is in flight.
    resume: Option<Instant>,
    probing: bool,
}

/// Why the head of the queue waits, and until when if known.
struct Held {
    until: Option<Instant>,
    cause: Option<WaitCause>,
}

/// Permission to send one request. Its outcome must be reported; a dropped one counts as failed.
pub(in crate::mistral) struct Permit<'a> {
    limiter: &'a Limiter,
    start: Start,
    account: (u64, Admission),
    cost: Cost,
    is_probe: bool,
    is_open: bool,
}

impl Limiter {
    fn new(requests: Option<Rate>, tokens: Option<Rate>, account: Arc<Mutex<Account>>) -> Self {
        let (controller, breaker) = (Controller::new(0.0), Breaker::default());
        Self {
            requests: Bucket::new(requests),
            tokens: Bucket::new(tokens),
            state: Mutex::new(State {
                controller,
                breaker,
                sent: 0,
                under_way: 0,
                resume: None,
                probing: false,
            }),
            account,
            turn: tokio::sync::Mutex::default(),
            changed: Notify::new(),
            decided: Notify::new(),
            begun: Instant::now(),
        }
    }

    /// Waits until a request may be sent that uses about this many tokens and pages.
    ///
    /// # Errors
    /// Why none may be sent any more.
    pub(in crate::mistral) async fn acquire(
        &self,
        tokens: u64,
        pages: u64,
        gauge: &Gauge,
    ) -> Result<Permit<'_>, StopCause> {
        let cost = Cost { tokens: tokens as f64, pages: pages as f64 };
        let _turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(_) => {
                let _queued = Waiting::queued(gauge);
                self.turn.lock().await
            }
        };
        if !(self.requests.is_open() && self.tokens.is_open()) {
            let _waiting = Waiting::new(gauge, WaitCause::Configured);
            self.requests.take(1).await;
            self.tokens.take(tokens).await;
        } else {
            self.requests.take(1).await;
            self.tokens.take(tokens).await;
        }
        loop {
            let changed = self.changed.notified();
            let held = match self.admit(cost)? {
                Ok(permit) => return Ok(permit),
                Err(held) => held,
            };
            let _waiting = held.cause.map(|cause| Waiting::new(gauge, cause));
            match held.until {
                Some(until) => tokio::select! {
                    () = sleep_until(until) => {}
                    () = changed => {}
                },
                None => changed.await,
            }
        }
    }

    /// Admits the head of the queue, or returns what it waits for.
    fn admit(&self, cost: Cost) -> Result<Result<Permit<'_>, Held>, StopCause> {
        let (instant, now) = (Instant::now(), self.now());
        let mut account = unpoisoned(&self.account);
        let mut state = self.state();
        if let Some(cause) = state.breaker.broken() {
            return Err(cause.clone());
        }
        let is_probe = state.breaker.is_open();
        if is_probe {
            let until = state.resume.filter(|resume| *resume > instant);
            if state.probing || until.is_some() {
                return Ok(Err(Held { until, cause: Some(WaitCause::Outage) }));
            }
        }
        let shared = account.windows.admit(now, cost);
        if let Admission::At(until) = shared {
            let cause = Some(WaitCause::AccountLimit);
            return Ok(Err(Held { until: Some(self.at(until)), cause }));
        }
        match state.controller.admit(now, cost) {
            Ok(start) => {
                state.probing |= is_probe;
                state.sent += 1;
                state.under_way += 1;
                let id = account.next;
                account.next += 1;
                account.windows.sent(now, cost, shared);
                let account = (id, shared);
                Ok(Ok(Permit { limiter: self, start, account, cost, is_probe, is_open: true }))
            }
            Err(Wait { until, cause }) => Ok(Err(Held { until: until.map(|until| self.at(until)), cause })),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        unpoisoned(&self.state)
    }

    /// Wakes all waiting requests: no request is sent any more.
    pub(super) fn wake_all(&self) {
        self.changed.notify_one();
        self.decided.notify_waiters();
    }

    /// Seconds since this limiter was created, the controller's time.
    fn now(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// Converts the controller's time to an instant, rounding up.
    fn at(&self, seconds: f64) -> Instant {
        let after = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(1));
        self.begun + after + Duration::from_micros(1)
    }
}

impl Permit<'_> {
    /// The tokens reserved for it.
    fn reserved(&self) -> u64 {
        self.cost.tokens as u64
    }

    /// Whether it was issued while the breaker was open: no other request is sent beside it.
    fn is_probe(&self) -> bool {
        self.is_probe
    }

    /// Applies the limits announced by the service.
    ///
    /// # Errors
    /// The limit that is 0.
    pub(in crate::mistral) fn apply_headers(
        &self,
        headers: &RateLimitHeaders,
        model: &str,
        accepted: bool,
    ) -> Result<(), StopCause> {
        if let Some(what) = headers.forbidden() {
            let cause = StopCause::NoLimit { model: model.to_owned(), what };
            self.limiter.state().breaker.end(cause.clone());
            self.limiter.changed.notify_one();
            return Err(cause);
        }
        for limit in &headers.limits {
            if limit.account {
                let mut account = unpoisoned(&self.limiter.account);
                let (first, cost) = (account.next, self.cost);
                // Requests sent before the first announcement are this attempt and those in flight; the service
                // counts them as used.
                account.windows.apply(limit, self.start.sent, accepted, || {
                    (first.saturating_sub(1), vec![(self.start.sent, cost)])
                });
            } else {
                self.limiter.state().controller.apply(limit, &self.start, accepted);
            }
        }
        Ok(())
    }

    /// Records an answer and its use; `None` if the estimate holds.
    pub(in crate::mistral) fn accepted(mut self, tokens: Option<u64>, pages: Option<u64>) {
        let used = Cost {
            tokens: tokens.map_or(self.cost.tokens, |tokens| tokens as f64),
            pages: pages.map_or(self.cost.pages, |pages| pages as f64),
        };
        self.take_as_accepted(used);
        self.limiter.state().breaker.answered();
        self.limiter.decided.notify_waiters();
    }

    /// Records a refusal on the request's own account: it used nothing, and no limit prevented it.
    pub(in crate::mistral) fn rejected(mut self) {
        self.take_as_accepted(Cost::default());
    }

    fn take_as_accepted(&mut self, used: Cost) {
        let now = self.limiter.now();
        let (id, admission) = self.account;
        self.limiter.tokens.reconcile(self.reserved(), used.tokens as u64);
        unpoisoned(&self.limiter.account).windows.accepted(now, id, self.cost, used, admission);
        self.limiter.state().controller.on_accepted(now, &self.start, used);
        self.is_open = false;
    }

    /// Records a 429; returns how long the request itself waits before its retry, and why.
    pub(in crate::mistral) fn rate_limited(
        mut self,
        error: &ApiError,
        headers: &RateLimitHeaders,
        refusals: u32,
        policy: RetryPolicy,
    ) -> (Duration, WaitCause) {
        let now = self.limiter.now();
        let (id, admission) = self.account;
        unpoisoned(&self.limiter.account).windows.refused(id, admission);
        let asked = error.retry_after.map(|wait| wait.min(policy.max_wait).as_secs_f64());
        let mut state = self.limiter.state();
        let announced: Vec<_> = headers.limits.iter().filter(|limit| !limit.account).copied().collect();
        let refusal = Refusal {
            announced: &announced,
            retry_after: asked,
            is_capacity: error.is_capacity(),
            before: refusals,
            jitter: jitter(),
        };
        let (wait, cause) = state.controller.on_refused(now, &self.start, &refusal);
        drop(state);
        self.limiter.tokens.reconcile(self.reserved(), 0);
        self.is_open = false;
        (Duration::try_from_secs_f64(wait).unwrap_or(policy.max_wait).min(policy.max_wait), cause)
    }

    /// Records a fault that says nothing about limits.
    ///
    /// # Errors
    /// Why no request is sent any more.
    pub(in crate::mistral) fn fault(
        self,
        fault: &AttemptError,
        policy: RetryPolicy,
    ) -> Result<(), StopCause> {
        let limiter = self.limiter;
        let is_probe = self.is_probe();
        if matches!(fault, AttemptError::Api(error, _) if error.status < 500) {
            self.rejected();
        } else {
            drop(self);
        }
        let mut state = limiter.state();
        let verdict = state.breaker.fault(fault, is_probe, policy, jitter());
        match verdict {
            Verdict::Alone => Ok(()),
            Verdict::Probe(wait) => {
                let until = Instant::now() + wait;
                state.resume = Some(state.resume.map_or(until, |known| known.max(until)));
                Ok(())
            }
            Verdict::Broken(cause) => {
                drop(state);
                limiter.wake_all();
                Err(cause)
            }
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.is_open {
            let now = self.limiter.now();
            unpoisoned(&self.limiter.account).windows.failed();
            self.limiter.state().controller.on_failed(now, &self.start, jitter());
        }
        let mut state = self.limiter.state();
        state.under_way -= 1;
        if self.is_probe {
            state.probing = false;
        }
        drop(state);
        self.limiter.changed.notify_one();
    }
}

#[cfg(test)]
mod tests;
