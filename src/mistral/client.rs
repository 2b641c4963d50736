//! The client: a connection to one server, with its limits.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{
    ClientError, ConcurrencyLimiter, Connection, Limits, RetryPolicy, http::Http, limit::gate::Gate,
};

/// A client for one server; clones share its connections and limits.
#[derive(Clone)]
pub struct Client {
    pub(super) http: Http,
    pub(super) limits: Arc<Limits>,
    /// Bounds the attempts in flight, if set.
    pub(super) slots: Option<Arc<ConcurrencyLimiter>>,
    /// The gate that file and job calls wait at after a 429.
    pub(super) gate: Arc<Gate>,
    /// The retry policy for file and job calls.
    pub(super) policy: RetryPolicy,
    /// Once cancelled, no request waits any longer; requests in flight are finished.
    pub(super) stop: CancellationToken,
}

impl Client {
    /// Makes a client.
    ///
    /// # Errors
    /// An invalid key or address, or an HTTP library that fails to start.
    pub fn new(
        connection: &Connection,
        limits: Limits,
        stop: CancellationToken,
    ) -> Result<Self, ClientError> {
        let (gate, policy) = (Arc::default(), RetryPolicy::MANY);
        let http = Http::new(connection)?;
        Ok(Self { http, limits: Arc::new(limits), slots: None, gate, policy, stop })
    }

    /// The same client with another retry policy for file and job calls.
    #[must_use]
    pub fn with_retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// The same client for one stage, with at most one attempt in flight per slot.
    #[must_use]
    pub fn with_slots(mut self, slots: Arc<ConcurrencyLimiter>) -> Self {
        self.slots = Some(slots);
        self
    }
}
