//! The client: a way to one server, with its limits.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{ClientError, Connection, Limits, Patience, Slots, gate::Gate, http::Http};

/// A client of one server; clones share its connections and limits.
#[derive(Clone)]
pub struct Client {
    pub(super) http: Http,
    pub(super) limits: Arc<Limits>,
    /// What bounds the attempts under way, if anything does.
    pub(super) slots: Option<Arc<Slots>>,
    /// What files and jobs wait at.
    pub(super) gate: Arc<Gate>,
    /// How long files and jobs are gone on with.
    pub(super) patience: Patience,
    /// No request waits any longer once this is cancelled; what is under way is finished.
    pub(super) stop: CancellationToken,
}

impl Client {
    /// Makes a client.
    ///
    /// # Errors
    /// A key or an address that is none, or an HTTP library that cannot start.
    pub fn new(
        connection: &Connection,
        limits: Limits,
        stop: CancellationToken,
    ) -> Result<Self, ClientError> {
        let (gate, patience) = (Arc::default(), Patience::MANY);
        let http = Http::new(connection)?;
        Ok(Self { http, limits: Arc::new(limits), slots: None, gate, patience, stop })
    }

    /// The same client with another patience for files and jobs.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// The same client for one stage, which has no more attempts under way than it has slots.
    #[must_use]
    pub fn with_slots(mut self, slots: Arc<Slots>) -> Self {
        self.slots = Some(slots);
        self
    }
}
