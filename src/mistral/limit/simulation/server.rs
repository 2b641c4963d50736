//! A server with true limits, in virtual time: it accepts a fixed amount in any sliding window.

use std::collections::VecDeque;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::mistral::rate_limit_headers::{AnnouncedLimit, Quantity};

/// The use within a window that ends now.
#[derive(Debug, Clone, Default)]
struct Window {
    most: f64,
    span: f64,
    uses: VecDeque<(f64, f64)>,
    sum: f64,
}

impl Window {
    fn new(most: f64, span: f64) -> Self {
        Self { most, span, ..Self::default() }
    }

    fn used(&mut self, now: f64) -> f64 {
        while let Some((at, amount)) = self.uses.front().copied().filter(|(at, _)| now - at >= self.span) {
            debug_assert!(at <= now);
            self.sum -= amount;
            self.uses.pop_front();
        }
        self.sum
    }

    fn add(&mut self, now: f64, amount: f64) {
        self.uses.push_back((now, amount));
        self.sum += amount;
    }

    fn free_in(&mut self, now: f64, amount: f64) -> f64 {
        let mut need = self.used(now) + amount - self.most;
        let mut at = now;
        for (sent, used) in &self.uses {
            if need <= 0.0 {
                break;
            }
            need -= used;
            at = sent + self.span;
        }
        (at - now).max(0.0)
    }
}

/// Whether a refusal carries a `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum RetryAfter {
    No,
    /// Always this many seconds.
    Fixed(f64),
    /// When there is capacity, in whole seconds.
    Exact,
}

/// Which refusals carry the capacity code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coded {
    Never,
    Outages,
    /// Those for a limit as well, incorrectly.
    Always,
}

/// How a server behaves; unset fields are 0.
#[derive(Debug, Clone)]
pub(super) struct Behaviour {
    /// Requests per `window` seconds.
    pub(super) requests: f64,
    pub(super) window: f64,
    /// Tokens per minute.
    pub(super) tokens: f64,
    /// The share of requests refused at any rate.
    pub(super) share: f64,
    pub(super) latency: f64,
    /// The spread of latency and tokens around their mean, as a share of it.
    pub(super) spread: f64,
    /// Whether headers announce the limits, per minute.
    pub(super) announced: bool,
    /// Whether the limit on requests is announced per second, as it really is.
    pub(super) by_second: bool,
    pub(super) retry: RetryAfter,
    /// The start and duration of a time in which everything is refused.
    pub(super) outage: Option<(f64, f64)>,
    /// The period of the outage, and the share refused during one.
    pub(super) every: f64,
    pub(super) outage_share: f64,
    /// Which refusals carry the capacity code.
    pub(super) coded: Coded,
    /// From when another limit on requests applies.
    pub(super) change: Option<(f64, f64)>,
    /// The share of requests that end in a server error or an unreadable answer.
    pub(super) faulty: f64,
    /// The share that is never answered, and the client's timeout in seconds.
    pub(super) hanging: (f64, f64),
    /// The start and duration of a time in which every connection is cut; repeats like the outage.
    pub(super) cut: Option<(f64, f64)>,
}

/// A server without limits that answers in 50 ms.
pub(super) const CALM: Behaviour = Behaviour {
    requests: 0.0,
    window: 60.0,
    tokens: 0.0,
    share: 0.0,
    latency: 0.05,
    spread: 0.5,
    announced: false,
    by_second: false,
    retry: RetryAfter::No,
    outage: None,
    every: f64::INFINITY,
    outage_share: 1.0,
    coded: Coded::Never,
    change: None,
    faulty: 0.0,
    hanging: (0.0, 0.0),
    cut: None,
};

impl Behaviour {
    /// When such a disturbance ends, if there is one now.
    fn end_of(&self, trouble: Option<(f64, f64)>, now: f64) -> Option<f64> {
        let (from, lasting) = trouble?;
        let since = (now - from) % self.every;
        (now >= from && since < lasting).then_some(now - since + lasting)
    }
}

/// The mean tokens of a request and of its answer.
const TOKENS: (f64, f64) = (100.0, 500.0);

/// The clients' estimate.
pub(super) const ESTIMATE: f64 = TOKENS.0 + TOKENS.1;

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Accepted,
    Refused,
    /// Says nothing about limits.
    Failed,
}

/// The server's answer, and its latency.
pub(super) struct Answer {
    pub(super) delay: f64,
    pub(super) fate: Fate,
    pub(super) retry_after: Option<f64>,
    pub(super) is_capacity: bool,
    pub(super) limits: Vec<AnnouncedLimit>,
    pub(super) tokens: f64,
}

/// A running server.
pub(super) struct Server {
    behaviour: Behaviour,
    rng: StdRng,
    requests: Window,
    tokens: Window,
    pub(super) came: u64,
    pub(super) limited: u64,
    /// When each request arrived, and whether it was accepted.
    pub(super) log: Vec<(f64, bool)>,
}

impl Server {
    pub(super) fn new(behaviour: Behaviour, seed: u64) -> Self {
        let requests = Window::new(behaviour.requests, behaviour.window);
        let tokens = Window::new(behaviour.tokens, 60.0);
        let rng = StdRng::seed_from_u64(seed);
        Self { behaviour, rng, requests, tokens, came: 0, limited: 0, log: Vec::new() }
    }

    fn around(&mut self, mean: f64) -> f64 {
        let spread = self.behaviour.spread;
        if spread > 0.0 { mean * self.rng.random_range(1.0 - spread..1.0 + spread) } else { mean }
    }

    /// Draws only if needed: fields that a case does not set leave its seeds unchanged.
    fn chance(&mut self, share: f64) -> bool {
        share >= 1.0 || share > 0.0 && self.rng.random::<f64>() < share
    }

    pub(super) fn arrive(&mut self, now: f64) -> Answer {
        self.came += 1;
        if let Some((at, most)) = self.behaviour.change
            && now >= at
        {
            self.requests.most = most;
        }
        let b = self.behaviour.clone();
        if b.end_of(b.cut, now).is_some() {
            return self.failed(now, 0.001);
        }
        if self.chance(b.hanging.0) {
            return self.failed(now, b.hanging.1);
        }
        let tokens = self.around(TOKENS.0) + self.around(TOKENS.1);
        let full = b.requests > 0.0 && self.requests.used(now) + 1.0 > self.requests.most;
        let spent = b.tokens > 0.0 && self.tokens.used(now) + tokens > b.tokens;
        let out = b.end_of(b.outage, now).is_some() && self.chance(b.outage_share);
        let refused = full || spent || out || self.rng.random::<f64>() < b.share;
        self.log.push((now, !refused));
        if refused {
            self.limited += 1;
            let retry_after = match b.retry {
                RetryAfter::No => None,
                RetryAfter::Fixed(wait) => Some(wait),
                RetryAfter::Exact => {
                    let requests = if full { self.requests.free_in(now, 1.0) } else { 0.0 };
                    let tokens = if spent { self.tokens.free_in(now, tokens) } else { 0.0 };
                    Some(requests.max(tokens).ceil().max(1.0))
                }
            };
            let delay = b.latency.min(0.03) * self.rng.random_range(0.7..1.3);
            let limits = self.limits(now);
            let is_capacity = b.coded == Coded::Always || b.coded == Coded::Outages && out;
            return Answer { delay, fate: Fate::Refused, retry_after, is_capacity, limits, tokens: 0.0 };
        }
        self.requests.add(now, 1.0);
        self.tokens.add(now, tokens);
        let delay = self.around(b.latency);
        if self.chance(b.faulty) {
            return self.failed(now, delay);
        }
        let limits = self.limits(now);
        Answer { delay, fate: Fate::Accepted, retry_after: None, is_capacity: false, limits, tokens }
    }

    fn failed(&mut self, now: f64, delay: f64) -> Answer {
        let limits = self.limits(now);
        Answer { delay, fate: Fate::Failed, retry_after: None, is_capacity: false, limits, tokens: 0.0 }
    }

    /// When a request sent at the best time would be accepted: for a client that knows the server.
    pub(super) fn room_at(&mut self, now: f64) -> f64 {
        let b = &self.behaviour;
        if let Some(end) = b.end_of(b.outage, now).or(b.end_of(b.cut, now)) {
            return end;
        }
        if let Some((at, most)) = b.change
            && now >= at
        {
            self.requests.most = most;
        }
        let requests = if b.requests > 0.0 { self.requests.free_in(now, 1.0) } else { 0.0 };
        let tokens = if self.behaviour.tokens > 0.0 { self.tokens.free_in(now, ESTIMATE) } else { 0.0 };
        now + requests.max(tokens)
    }

    fn limits(&mut self, now: f64) -> Vec<AnnouncedLimit> {
        let b = self.behaviour.clone();
        let mut limits = Vec::new();
        let mut announce = |quantity, span, limit: f64, remaining: f64| {
            let (limit, remaining) = (Some(limit.round()), Some(remaining.max(0.0).round()));
            limits.push(AnnouncedLimit { quantity, span, account: false, limit, remaining });
        };
        if b.announced && b.requests > 0.0 {
            let (span, times) = if b.by_second { (1, 1.0) } else { (60, 60.0 / b.window) };
            let (most, used) = (self.requests.most, self.requests.used(now));
            announce(Quantity::Requests, span, most * times, (most - used) * times);
        }
        if b.announced && b.tokens > 0.0 {
            announce(Quantity::Tokens, 60, b.tokens, b.tokens - self.tokens.used(now));
        }
        limits
    }
}
