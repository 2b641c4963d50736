//! Counts of requests and of what they wait for. Main type: [`Gauge`], one for each stage;
//! [`Client::ask`](super::Client::ask) updates it, the progress of a run reads it.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// The reason why a request waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitCause {
    /// The rate set by the pipeline's `limits:`.
    Configured,
    /// A limit of the account, announced by the service or learned from its refusals.
    AccountLimit,
    /// The request was refused although there is capacity: it alone waits, then is retried.
    Sporadic,
    /// The service accepts or answers nothing: one probe is sent at a time.
    Outage,
}

impl WaitCause {
    /// All causes, in the order of [`Gauge::waits`].
    pub const ALL: [Self; 4] = [Self::Configured, Self::AccountLimit, Self::Sporadic, Self::Outage];
}

/// The requests that wait for one cause, and the time lost to it so far.
#[derive(Debug, Default)]
pub struct Waits {
    /// Requests that wait for it now.
    pub now: AtomicI64,
    /// Time lost, in microseconds. While the first in the queue waits, nothing starts, so its wait counts in
    /// full; the wait of a single refused request counts by its share of the active requests.
    pub lost: AtomicU64,
}

/// Counters since the start, and current numbers.
#[derive(Debug, Default)]
pub struct Gauge {
    /// Requests sent.
    pub requests: AtomicU64,
    /// Retries among these.
    pub retries: AtomicU64,
    /// Answers.
    pub accepted: AtomicU64,
    /// Requests refused with 429.
    pub refused: AtomicU64,
    /// Requests in flight now.
    pub in_flight: AtomicI64,
    /// Requests that wait for a limit now.
    pub waiting: AtomicI64,
    /// Waits by cause, in the order of [`WaitCause::ALL`].
    pub waits: [Waits; 4],
}

impl Gauge {
    fn of(&self, cause: WaitCause) -> &Waits {
        &self.waits[cause as usize]
    }

    /// The cause that most requests wait for now, if any do.
    pub fn waits_for(&self) -> Option<WaitCause> {
        let waiting = |cause: &WaitCause| self.of(*cause).now.load(Ordering::Relaxed);
        // A cause that holds up all requests is reported before one that holds up a single request.
        let shared = [WaitCause::Outage, WaitCause::AccountLimit, WaitCause::Configured, WaitCause::Sporadic];
        shared.into_iter().find(|cause| waiting(cause) > 0)
    }

    /// The time lost to a cause so far.
    pub fn lost(&self, cause: WaitCause) -> Duration {
        Duration::from_micros(self.of(cause).lost.load(Ordering::Relaxed))
    }
}

/// Adds one to a counter for as long as it lives.
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
    /// The cause, the start, and the number of active requests.
    cause: Option<(WaitCause, Counted<'a>, Instant, u32)>,
}

impl<'a> Waiting<'a> {
    /// The request waits behind others.
    pub(super) fn queued(gauge: &'a Gauge) -> Self {
        Self { gauge, _waiting: Counted::new(&gauge.waiting), cause: None }
    }

    /// The request is first in the queue, and the others wait with it.
    pub(super) fn new(gauge: &'a Gauge, cause: WaitCause) -> Self {
        let counted = Counted::new(&gauge.of(cause).now);
        let cause = Some((cause, counted, Instant::now(), 1));
        Self { gauge, _waiting: Counted::new(&gauge.waiting), cause }
    }

    /// The request waits alone; the others continue.
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
