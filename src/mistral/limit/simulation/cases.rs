//! The cases that the controller must tell apart.

use super::{
    clients::{Kind, Outcome, run},
    server::{Behaviour, CALM, Coded, RetryAfter},
};

/// One case.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) server: Behaviour,
    pub(super) clients: usize,
    pub(super) records: usize,
    pub(super) concurrency: usize,
    /// The seconds within which the clients start.
    pub(super) stagger: f64,
}

const FREE: Behaviour = Behaviour { latency: 0.02, ..CALM };

const fn limit(requests: f64, window: f64) -> Behaviour {
    Behaviour { requests, window, ..CALM }
}

const fn sporadic(share: f64) -> Behaviour {
    Behaviour { share, ..FREE }
}

/// Several faults at once: a partial and a total outage, repeated each minute, sporadic refusals, server errors,
/// unreadable answers and unanswered requests.
const HOSTILE: Behaviour = Behaviour {
    outage: Some((10.0, 20.0)),
    cut: Some((40.0, 4.0)),
    every: 60.0,
    outage_share: 0.8,
    coded: Coded::Outages,
    share: 0.03,
    retry: RetryAfter::Fixed(1.0),
    latency: 0.4,
    spread: 0.8,
    faulty: 0.15,
    hanging: (0.003, 40.0),
    announced: true,
    ..limit(20.0, 1.0)
};

const FAST_HOSTILE: Behaviour = Behaviour {
    outage: Some((0.5, 1.0)),
    cut: Some((2.0, 0.2)),
    every: 3.0,
    retry: RetryAfter::Fixed(0.05),
    latency: 0.02,
    hanging: (0.003, 2.0),
    requests: 400.0,
    ..HOSTILE
};

const fn case(name: &'static str, server: Behaviour, records: usize, concurrency: usize) -> Case {
    Case { name, server, clients: 1, records, concurrency, stagger: 0.01 }
}

const fn shared(
    name: &'static str,
    server: Behaviour,
    clients: usize,
    records: usize,
    concurrency: usize,
) -> Case {
    Case { clients, ..case(name, server, records, concurrency) }
}

pub(super) const CASES: &[Case] = &[
    case("60/min announced", Behaviour { announced: true, ..limit(60.0, 60.0) }, 90, 32),
    case("600/min announced", Behaviour { announced: true, ..limit(600.0, 60.0) }, 900, 32),
    case(
        "10/s announced by second",
        Behaviour { announced: true, by_second: true, ..limit(10.0, 1.0) },
        300,
        32,
    ),
    case("10/s announced as 600/min", Behaviour { announced: true, ..limit(10.0, 1.0) }, 300, 32),
    case("60/min", limit(60.0, 60.0), 90, 32),
    case("10/s", limit(10.0, 1.0), 300, 32),
    case("10/s with Retry-After", Behaviour { retry: RetryAfter::Exact, ..limit(10.0, 1.0) }, 300, 32),
    case("10/s for long", limit(10.0, 1.0), 3000, 32),
    case("60 in 6 s", limit(60.0, 6.0), 600, 32),
    case("60 in 6 s with Retry-After", Behaviour { retry: RetryAfter::Exact, ..limit(60.0, 6.0) }, 600, 32),
    case("60,000 tokens/min announced", Behaviour { tokens: 60_000.0, announced: true, ..CALM }, 150, 32),
    case("60,000 tokens/min", Behaviour { tokens: 60_000.0, ..CALM }, 150, 32),
    case("60,000 tokens/min for long", Behaviour { tokens: 60_000.0, ..CALM }, 600, 32),
    case(
        "5 % sporadic with Retry-After",
        Behaviour { retry: RetryAfter::Fixed(1.0), ..sporadic(0.05) },
        2000,
        64,
    ),
    case("5 % sporadic", sporadic(0.05), 2000, 64),
    case("15 % sporadic", sporadic(0.15), 2000, 64),
    case("30 % sporadic", sporadic(0.3), 2000, 64),
    case("5 % sporadic for long", sporadic(0.05), 20_000, 64),
    case("outage of 20 s", Behaviour { outage: Some((2.0, 20.0)), ..CALM }, 4000, 32),
    case("outage, then 20/s", Behaviour { outage: Some((2.0, 20.0)), ..limit(20.0, 1.0) }, 400, 32),
    case("outage, 2 s latency", Behaviour { latency: 2.0, outage: Some((10.0, 20.0)), ..CALM }, 600, 32),
    case("20/s halved", Behaviour { change: Some((15.0, 10.0)), ..limit(20.0, 1.0) }, 600, 32),
    case("10/s doubled", Behaviour { change: Some((15.0, 20.0)), ..limit(10.0, 1.0) }, 600, 32),
    case("no limit", FREE, 20_000, 64),
    case("no limit, 2 s latency", Behaviour { latency: 2.0, ..CALM }, 600, 64),
    case("10/s, 2 s latency", Behaviour { latency: 2.0, ..limit(10.0, 1.0) }, 400, 64),
    case("5/s, 10 s latency", Behaviour { latency: 10.0, ..limit(5.0, 1.0) }, 400, 64),
    case("500/s", limit(500.0, 1.0), 20_000, 128),
    case("10/s and 5 % sporadic", Behaviour { share: 0.05, ..limit(10.0, 1.0) }, 300, 32),
    case("20/s and 15 % sporadic", Behaviour { share: 0.15, ..limit(20.0, 1.0) }, 600, 32),
    shared("600/min announced to two", Behaviour { announced: true, ..limit(600.0, 60.0) }, 2, 600, 32),
    shared("20/s for two", limit(20.0, 1.0), 2, 600, 32),
    Case { stagger: 0.1, ..shared("20/s for two, 0.1 s apart", limit(20.0, 1.0), 2, 600, 32) },
    case("2/s", limit(2.0, 1.0), 100, 32),
    case("100/s", limit(100.0, 1.0), 3000, 64),
    case("5 in any 0.2 s", limit(5.0, 0.2), 600, 32),
    case("300/min", limit(300.0, 60.0), 900, 32),
    case("50 % sporadic", sporadic(0.5), 2000, 64),
    case("30 % sporadic, 2 s latency", Behaviour { latency: 2.0, ..sporadic(0.3) }, 1000, 64),
    case("20/s to 4/s", Behaviour { change: Some((10.0, 4.0)), ..limit(20.0, 1.0) }, 300, 32),
    case("10/s to 200/s", Behaviour { change: Some((10.0, 200.0)), ..limit(10.0, 1.0) }, 2000, 64),
    case("outage from the start", Behaviour { outage: Some((0.0, 10.0)), ..CALM }, 2000, 32),
    case("outage from the start, few in flight", Behaviour { outage: Some((0.0, 6.0)), ..CALM }, 600, 8),
    case("outage soon after the start", Behaviour { outage: Some((0.1, 6.0)), ..CALM }, 600, 16),
    case("hostile day", HOSTILE, 2000, 64),
    case("hostile day without codes", Behaviour { coded: Coded::Never, ..HOSTILE }, 2000, 64),
    case("hostile day without a limit", Behaviour { requests: 0.0, ..HOSTILE }, 2000, 64),
    case("hostile day, 20 times as fast", FAST_HOSTILE, 2600, 64),
    case("fast hostile day without codes", Behaviour { coded: Coded::Never, ..FAST_HOSTILE }, 2600, 64),
    case(
        "10/s refused for want of capacity",
        Behaviour { coded: Coded::Always, ..limit(10.0, 1.0) },
        300,
        32,
    ),
    case(
        "outage of 20 s with its code",
        Behaviour { outage: Some((2.0, 20.0)), coded: Coded::Outages, ..CALM },
        4000,
        32,
    ),
    case(
        "outage with its code, then 20/s",
        Behaviour { outage: Some((2.0, 20.0)), coded: Coded::Outages, ..limit(20.0, 1.0) },
        400,
        32,
    ),
    case("10/s with an outage", Behaviour { outage: Some((15.0, 20.0)), ..limit(10.0, 1.0) }, 400, 32),
    shared("30/s for three", limit(30.0, 1.0), 3, 600, 32),
    shared("100/s for two", limit(100.0, 1.0), 2, 2000, 64),
    case("10/s, 4 in flight", limit(10.0, 1.0), 300, 4),
];

/// The case with a name.
pub(super) fn named(name: &str) -> &'static Case {
    CASES.iter().find(|case| case.name == name).unwrap_or_else(|| panic!("there is no case `{name}`"))
}

impl Case {
    pub(super) fn run(&self, kind: Kind, seed: u64) -> Outcome {
        run(&self.server, kind, self.clients, self.records, self.concurrency, self.stagger, seed)
    }
}
