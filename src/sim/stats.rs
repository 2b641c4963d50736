//! What the simulator was asked: the other side's view of a run.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Serialize;

/// What the simulator was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SimStats {
    /// Requests for an answer, refused ones included.
    pub requests: u64,
    /// Answers given, which a service would have billed.
    pub answered: u64,
    /// Requests refused with 429.
    pub limited: u64,
    /// Requests refused with another error.
    pub refused: u64,
    /// Answers that do not fit the schema that was asked for.
    pub misfits: u64,
    /// Answers to a request that had been answered before.
    pub duplicates: u64,
    /// The most requests under way at once.
    pub peak_in_flight: u64,
    /// The most requests in any window of a second.
    pub busiest_second: u64,
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
}

#[derive(Default)]
pub(super) struct Stats {
    pub(super) answered: AtomicU64,
    pub(super) limited: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) misfits: AtomicU64,
    pub(super) duplicates: AtomicU64,
    pub(super) prompt_tokens: AtomicU64,
    pub(super) completion_tokens: AtomicU64,
    in_flight: AtomicI64,
    peak_in_flight: AtomicI64,
    arrivals: Mutex<Vec<Instant>>,
    asked: Mutex<HashMap<[u8; 32], u64>>,
}

/// A request that is under way for as long as this lives.
pub(super) struct InFlight<'a>(&'a Stats);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

impl Stats {
    pub(super) fn arrive(&self) -> InFlight<'_> {
        if let Ok(mut arrivals) = self.arrivals.lock() {
            arrivals.push(Instant::now());
        }
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak_in_flight.fetch_max(now, Ordering::Relaxed);
        InFlight(self)
    }

    /// How often this body was answered before; from now on once more.
    pub(super) fn nth(&self, body: &[u8]) -> u64 {
        let Ok(mut asked) = self.asked.lock() else { return 0 };
        let count = asked.entry(*blake3::hash(body).as_bytes()).or_insert(0);
        *count += 1;
        if *count > 1 {
            add(&self.duplicates, 1);
        }
        *count - 1
    }

    pub(super) fn read(&self) -> SimStats {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let arrivals = self.arrivals.lock().map(|arrivals| arrivals.clone()).unwrap_or_default();
        SimStats {
            requests: arrivals.len() as u64,
            answered: get(&self.answered),
            limited: get(&self.limited),
            refused: get(&self.refused),
            misfits: get(&self.misfits),
            duplicates: get(&self.duplicates),
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
