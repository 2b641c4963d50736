//! Why a single attempt failed.
//!
//! Main type: [`AttemptError`], created by the HTTP edge; backoff and breaker decide what follows.

use std::{fmt, time::Duration};

use super::{ApiError, StopCause, rate_limit_headers::RateLimitHeaders};

/// Why a single attempt failed.
#[derive(Debug)]
pub(super) enum AttemptError {
    /// The service refused the request, perhaps announcing its limits.
    Api(ApiError, Box<RateLimitHeaders>),
    /// No readable answer arrived.
    Network {
        reported: String,
        /// Whether the service may have received the request.
        sent: bool,
        /// The time until the next attempt, if known better than by backoff.
        retry_after: Option<Duration>,
    },
    /// The server cannot be reached, and is not expected to be.
    Unreachable(StopCause),
}

impl fmt::Display for AttemptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(error, _) => write!(f, "{error}"),
            Self::Network { reported, .. } => f.write_str(reported),
            Self::Unreachable(cause) => write!(f, "{cause}"),
        }
    }
}

impl AttemptError {
    /// An answer that arrived and cannot be used.
    pub(super) fn unreadable(reported: String) -> Self {
        Self::Network { reported, sent: true, retry_after: None }
    }
}
