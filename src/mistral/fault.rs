//! Why a single attempt gave no answer.
//!
//! Main type: [`Fault`]; the HTTP edge makes it, backoff and breaker decide what follows from it.

use std::{fmt, time::Duration};

use super::{ApiError, StopCause, rate_limit_headers::RateLimitHeaders};

/// Why a single try gave no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// The service said no, and perhaps what its limits are.
    Api(ApiError, Box<RateLimitHeaders>),
    /// No answer came, or none that can be read.
    Network {
        reported: String,
        /// Whether the service may have had the request all the same.
        sent: bool,
        /// How long to wait before the next attempt, where that is known better than by a backoff.
        retry_after: Option<Duration>,
    },
    /// There is no connection, and none is to be expected.
    Unreachable(StopCause),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(error, _) => write!(f, "{error}"),
            Self::Network { reported, .. } => f.write_str(reported),
            Self::Unreachable(cause) => write!(f, "{cause}"),
        }
    }
}

impl Fault {
    /// An answer that is there and cannot be used.
    pub(super) fn unreadable(reported: String) -> Self {
        Self::Network { reported, sent: true, retry_after: None }
    }
}
