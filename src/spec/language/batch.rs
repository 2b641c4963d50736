//! `batch:` sends requests in batch jobs: its keys, which `submit:` shares, and the struct they are read into.

use std::time::Duration;

use crate::units::Size;

use super::poll::{self, PollSchedule};
use crate::spec::{
    describe::{Key, Preset, Shape, Type, key},
    value::Checked,
};

/// `submit:`, and `batch:` of the short form
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchSpec {
    /// The most requests in a job.
    pub max_requests: usize,
    /// The most bytes in a job.
    pub max_bytes: Size,
    /// How long a job that is not full waits for more records.
    pub wait: Duration,
    /// How long the service may take for a job.
    pub timeout_hours: u32,
    /// How the jobs are polled; in the long form a separate stage sets this.
    pub poll: PollSchedule,
}

impl BatchSpec {
    /// The default.
    pub const DEFAULT: Self = Self {
        max_requests: 1000,
        max_bytes: Size(100_000_000),
        wait: Duration::from_secs(10),
        timeout_hours: 24,
        poll: PollSchedule::DEFAULT,
    };
}

/// The largest file accepted by the service.
const LARGEST: Size = Size(512_000_000);

/// When a job is sent, and how long it may take.
pub(super) const BOUNDS: &[Key] = &[
    key(
        "max_requests",
        Type::Count("requests", 1, 1_000_000),
        "max_requests: 5000",
        "A job is sent when it has this many requests.",
    )
    .or(Preset::Count(BatchSpec::DEFAULT.max_requests as u64)),
    key("max_bytes", Type::Size(LARGEST), "max_bytes: 50MB", "A job is sent when it has this many bytes.")
        .or(Preset::Size(BatchSpec::DEFAULT.max_bytes)),
    key(
        "wait",
        Type::Wait,
        "wait: 1min",
        "How long a job that is not full waits for more records after its first.",
    )
    .or(Preset::Duration(BatchSpec::DEFAULT.wait)),
    key(
        "timeout_hours",
        Type::Count("hours", 1, 168),
        "timeout_hours: 48",
        "How long the service may take to finish a job.",
    )
    .or(Preset::Count(BatchSpec::DEFAULT.timeout_hours as u64)),
];

pub(super) static BATCH: Shape = Shape::new(
    "batch",
    "`batch:`",
    "Sends the requests in batch jobs, at half the price: short for `submit:`, a `poll` and `collect:`.",
    &[BOUNDS, poll::SCHEDULE],
);

/// `batch:`
pub(super) fn batch(mut map: Checked) -> BatchSpec {
    let bounds = bounds(&mut map);
    BatchSpec { poll: poll::schedule(&mut map), ..bounds }
}

/// Reads the keys of [`BOUNDS`].
pub(super) fn bounds(map: &mut Checked) -> BatchSpec {
    let usual = BatchSpec::DEFAULT;
    BatchSpec {
        max_requests: map.or("max_requests", usual.max_requests),
        max_bytes: map.or("max_bytes", usual.max_bytes),
        wait: map.or("wait", usual.wait),
        timeout_hours: map.or("timeout_hours", usual.timeout_hours),
        poll: usual.poll,
    }
}
