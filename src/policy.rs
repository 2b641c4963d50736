//! How long to wait for a server and how often to try again: shapes and defaults that the spec and the
//! client share.

use std::time::Duration;

/// How long to wait for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until there is a connection.
    pub connect: Duration,
    /// Until its answer begins; a long answer of a busy model begins after minutes.
    pub first_byte: Duration,
    /// Until its answer is complete. Files have [`Timeouts::FILE`] at least.
    pub whole: Duration,
}

impl Timeouts {
    /// The default.
    pub const DEFAULT: Self = Self {
        connect: Duration::from_secs(10),
        first_byte: Duration::from_secs(300),
        whole: Duration::from_secs(300),
    };

    /// The least time that a file has to go up or down: half a gigabyte over a slow line.
    pub const FILE: Duration = Duration::from_secs(1800);
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What happens when a request gets no answer (429, 5xx, a cut connection).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How often it is sent again after a fault of the server or the network. Rate limits are no faults
    /// and have a larger bound of their own.
    pub times: u32,
    /// The first backoff; it doubles, with jitter.
    pub wait: Duration,
    /// The longest backoff, also where the service asks for a longer one.
    pub max_wait: Duration,
}

impl Retry {
    /// The default of a map: five retries over about half a minute, then the record stays pending.
    pub const DEFAULT: Self =
        Self { times: 5, wait: Duration::from_secs(1), max_wait: Duration::from_secs(60) };

    /// The default of calls that carry many requests at once (files and jobs): about six minutes of faults.
    pub const MANY: Self = Self { times: 10, ..Self::DEFAULT };
}
