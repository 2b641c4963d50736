//! What those see who watch: counts of requests and of what they wait for. Main type: [`Gauge`], one for
//! each stage; [`Client::ask`](super::Client::ask) counts in it, the progress of a run reads it.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// What a request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitCause {
    /// The rate that the pipeline's `limits:` allow.
    Configured,
    /// A limit of the account, announced by the service or learned from its refusals.
    AccountLimit,
    /// It was refused although there is room: it waits by itself and is sent again.
    Sporadic,
    /// The service accepts or answers nothing: one probe at a time is sent.
    Outage,
}

impl WaitCause {
    /// All of them, in the order of [`Gauge::waits`].
    pub const ALL: [Self; 4] = [Self::Configured, Self::AccountLimit, Self::Sporadic, Self::Outage];
}

/// Who waits for one cause now, and the time that this cost so far.
#[derive(Debug, Default)]
pub struct Waits {
    /// Requests that wait for it now.
    pub now: AtomicI64,
    /// The time that it cost, in microseconds: while the first in the queue waits, nobody starts; what a
    /// refused request waits by itself counts by its part of the requests at work.
    pub lost: AtomicU64,
}

/// Counts since the start, and how many there are now.
#[derive(Debug, Default)]
pub struct Gauge {
    /// Requests sent.
    pub requests: AtomicU64,
    /// Of these, sent again.
    pub retries: AtomicU64,
    /// Answers.
    pub accepted: AtomicU64,
    /// Requests refused with 429.
    pub refused: AtomicU64,
    /// Under way now.
    pub in_flight: AtomicI64,
    /// Waiting for a limit now.
    pub waiting: AtomicI64,
    /// By cause, in the order of [`WaitCause::ALL`].
    pub waits: [Waits; 4],
}

impl Gauge {
    fn of(&self, cause: WaitCause) -> &Waits {
        &self.waits[cause as usize]
    }

    /// What most requests wait for now, if any does.
    pub fn waits_for(&self) -> Option<WaitCause> {
        let waiting = |cause: &WaitCause| self.of(*cause).now.load(Ordering::Relaxed);
        // What holds all up is reported before what holds one up.
        let shared = [WaitCause::Outage, WaitCause::AccountLimit, WaitCause::Configured, WaitCause::Sporadic];
        shared.into_iter().find(|cause| waiting(cause) > 0)
    }

    /// The time that a cause cost so far.
    pub fn lost(&self, cause: WaitCause) -> Duration {
        Duration::from_micros(self.of(cause).lost.load(Ordering::Relaxed))
    }
}

/// Adds one to a count for as long as it lives.
pub(super) struct Counted<'a>(&'a AtomicI64);

impl<'a> Counted<'a> {
    pub(super) fn new(count: &'a AtomicI64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request that waits for as long as this lives.
pub(super) struct Waiting<'a> {
    gauge: &'a Gauge,
    _waiting: Counted<'a>,
    /// What for, since when, and among how many it counts.
    cause: Option<(WaitCause, Counted<'a>, Instant, u32)>,
}

impl<'a> Waiting<'a> {
    /// It waits behind others.
    pub(super) fn queued(gauge: &'a Gauge) -> Self {
        Self { gauge, _waiting: Counted::new(&gauge.waiting), cause: None }
    }

    /// It is the first in the queue, and the others wait with it.
    pub(super) fn new(gauge: &'a Gauge, cause: WaitCause) -> Self {
        let counted = Counted::new(&gauge.of(cause).now);
        let cause = Some((cause, counted, Instant::now(), 1));
        Self { gauge, _waiting: Counted::new(&gauge.waiting), cause }
    }

    /// It waits by itself, and the others continue.
    pub(super) fn alone(gauge: &'a Gauge, cause: WaitCause) -> Self {
        let now = |count: &AtomicI64| count.load(Ordering::Relaxed).max(0) as u32;
        let counted = Counted::new(&gauge.of(cause).now);
        let among = (now(&gauge.in_flight) + now(&gauge.waiting) + 1).max(1);
        let cause = Some((cause, counted, Instant::now(), among));
        Self { gauge, _waiting: Counted::new(&gauge.waiting), cause }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some((cause, _, since, among)) = &self.cause {
            let lost = since.elapsed().as_micros() / u128::from(*among);
            let lost = u64::try_from(lost).unwrap_or(u64::MAX);
            self.gauge.of(*cause).lost.fetch_add(lost, Ordering::Relaxed);
        }
    }
}
