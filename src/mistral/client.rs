//! The client: a way to one server, with its limits.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{
    ClientError, ConcurrencyLimiter, Connection, Limits, RetryPolicy, http::Http, limit::gate::Gate,
};

/// A client of one server; clones share its connections and limits.
#[derive(Clone)]
pub struct Client {
    pub(super) http: Http,
    pub(super) limits: Arc<Limits>,
    /// What bounds the attempts under way, if anything does.
    pub(super) slots: Option<Arc<ConcurrencyLimiter>>,
    /// What file and job calls wait at after a 429.
    pub(super) gate: Arc<Gate>,
    /// The retry policy for file and job calls.
    pub(super) policy: RetryPolicy,
    /// No request waits any longer once this is cancelled; what is under way is finished.
    pub(super) stop: CancellationToken,
}

impl Client {
    /// Makes a client.
    ///
    /// # Errors
    /// An invalid key or address, or an HTTP library that cannot start.
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

    /// The same client for one stage, which has no more attempts under way than it has slots.
    #[must_use]
    pub fn with_slots(mut self, slots: Arc<ConcurrencyLimiter>) -> Self {
        self.slots = Some(slots);
        self
    }
}
