//! What the simulator received: the other side's view of a run.

use std::{
    collections::HashSet,
    sync::{
        Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::mistral::wire::TokenUsage;

/// What the simulator received.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SimStats {
    /// Direct requests, refused ones included.
    pub requests: u64,
    /// Answers given, directly or as a due line of a job: what a service would have billed.
    pub answered: u64,
    /// Of these, lines of jobs.
    pub batch_answered: u64,
    /// Lines of jobs that were refused or failed at random.
    pub batch_failed: u64,
    /// Lines of jobs in neither file.
    pub batch_missing: u64,
    /// Requests of any kind affected by a fault; direct ones are among `limited` or `refused` if they were
    /// answered, and among `answered` if the answer was lost.
    pub faults: u64,
    /// Direct answers, among `answered`, that were lost to a fault: they must be requested again, so this many
    /// `duplicates` are to be expected.
    pub lost: u64,
    /// Requests refused with 429.
    pub limited: u64,
    /// Requests refused with another error.
    pub refused: u64,
    /// Answers that do not fit the requested schema.
    pub misfits: u64,
    /// Answers to a request that had been answered before: the same endpoint, model and body, sent either way.
    pub duplicates: u64,
    /// Jobs created.
    pub jobs: u64,
    /// Jobs with the same `etl_job` in their metadata as an earlier job.
    pub jobs_twice: u64,
    /// Jobs whose cancellation was requested.
    pub cancels: u64,
    /// How often a job was polled, singly or in a list.
    pub polls: u64,
    /// Files uploaded.
    pub uploads: u64,
    /// Files and jobs deleted.
    pub deletes: u64,
    /// The most requests in flight at once.
    pub peak_in_flight: u64,
    /// The most requests in any one-second window.
    pub busiest_second: u64,
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
}

#[derive(Default)]
pub(crate) struct Stats {
    pub(crate) batch_answered: AtomicU64,
    pub(crate) batch_failed: AtomicU64,
    pub(crate) batch_missing: AtomicU64,
    pub(crate) faults: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) limited: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) jobs: AtomicU64,
    pub(crate) jobs_twice: AtomicU64,
    pub(crate) cancels: AtomicU64,
    pub(crate) polls: AtomicU64,
    pub(crate) uploads: AtomicU64,
    pub(crate) deletes: AtomicU64,
    answered: AtomicU64,
    misfits: AtomicU64,
    duplicates: AtomicU64,
    prompt_tokens: AtomicU64,
    completion_tokens: AtomicU64,
    in_flight: AtomicI64,
    peak_in_flight: AtomicI64,
    arrivals: Mutex<Vec<Instant>>,
    tokens: Mutex<HashSet<String>>,
}

/// A request in flight for as long as this lives.
pub(crate) struct InFlight<'a>(&'a Stats);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

impl Stats {
    pub(crate) fn arrive(&self) -> InFlight<'_> {
        if let Ok(mut arrivals) = self.arrivals.lock() {
            arrivals.push(Instant::now());
        }
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak_in_flight.fetch_max(now, Ordering::Relaxed);
        InFlight(self)
    }

    /// Counts an answer, first or repeated.
    pub(crate) fn answer(&self, usage: TokenUsage, misfit: bool, again: bool) {
        add(&self.answered, 1);
        add(&self.duplicates, u64::from(again));
        add(&self.misfits, u64::from(misfit));
        add(&self.prompt_tokens, usage.prompt_tokens);
        add(&self.completion_tokens, usage.completion_tokens);
    }

    /// Counts a job, with its token if any.
    pub(crate) fn job(&self, token: Option<&str>) {
        add(&self.jobs, 1);
        if let (Some(token), Ok(mut tokens)) = (token, self.tokens.lock()) {
            add(&self.jobs_twice, u64::from(!tokens.insert(token.to_owned())));
        }
    }

    pub(crate) fn read(&self) -> SimStats {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let arrivals = self.arrivals.lock().map(|arrivals| arrivals.clone()).unwrap_or_default();
        SimStats {
            requests: arrivals.len() as u64,
            answered: get(&self.answered),
            batch_answered: get(&self.batch_answered),
            batch_failed: get(&self.batch_failed),
            batch_missing: get(&self.batch_missing),
            faults: get(&self.faults),
            lost: get(&self.lost),
            limited: get(&self.limited),
            refused: get(&self.refused),
            misfits: get(&self.misfits),
            duplicates: get(&self.duplicates),
            jobs: get(&self.jobs),
            jobs_twice: get(&self.jobs_twice),
            cancels: get(&self.cancels),
            polls: get(&self.polls),
            uploads: get(&self.uploads),
            deletes: get(&self.deletes),
            peak_in_flight: self.peak_in_flight.load(Ordering::Relaxed).max(0) as u64,
            busiest_second: busiest(&arrivals),
            prompt_tokens: get(&self.prompt_tokens),
            completion_tokens: get(&self.completion_tokens),
        }
    }
}

fn busiest(arrivals: &[Instant]) -> u64 {
    let mut from = 0;
    let mut most = 0;
    for (at, time) in arrivals.iter().enumerate() {
        while time.duration_since(arrivals[from]) >= Duration::from_secs(1) {
            from += 1;
        }
        most = most.max(at + 1 - from);
    }
    most as u64
}
