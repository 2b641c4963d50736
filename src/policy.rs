//! Timeouts and retries: types and defaults shared by the spec and the client. The default of `attempts`, which
//! counts refused answers, is in `spec/language/ask.rs`.

use std::time::Duration;

/// Timeouts for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection is established.
    pub connect: Duration,
    /// Until the response begins; a long answer of a busy model may begin after minutes.
    pub first_byte: Duration,
    /// Until the response is complete. Files have at least [`Timeouts::FILE`].
    pub whole: Duration,
}

impl Timeouts {
    /// The default.
    pub const DEFAULT: Self = Self {
        connect: Duration::from_secs(10),
        first_byte: Duration::from_secs(300),
        whole: Duration::from_secs(300),
    };

    /// The minimum timeout for uploading or downloading a file: half a gigabyte over a slow connection.
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
    /// The most retries after a server or network fault. Rate limits are not faults, and have a separate,
    /// larger bound.
    pub times: u32,
    /// The first backoff; it doubles, with jitter.
    pub wait: Duration,
    /// The longest backoff, even if the service requests a longer one.
    pub max_wait: Duration,
}

impl Retry {
    /// The default of a map: five retries over about half a minute, then the record stays pending.
    pub const DEFAULT: Self =
        Self { times: 5, wait: Duration::from_secs(1), max_wait: Duration::from_secs(60) };

    /// The default of calls that carry many requests at once (files and jobs): about six minutes of faults.
    pub const MANY: Self = Self { times: 10, ..Self::DEFAULT };
}
