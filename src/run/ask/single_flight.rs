//! Single flight: concurrent records with the same request share one paid answer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::sync::watch;

use crate::ledger::{History, RequestId};

/// The history of a request, once it is in the ledger. Each record judges it for itself.
pub(crate) type Shared = watch::Receiver<Option<Arc<History>>>;

/// The requests in flight.
///
/// A claim is made before the lookup in the ledger, and released after the answer is stored: without a claim, the
/// ledger has the answer.
#[derive(Clone, Default)]
pub(crate) struct InFlightRequests(Arc<Mutex<HashMap<RequestId, Shared>>>);

/// The right to send a request; released on drop.
pub(crate) struct Leader {
    id: RequestId,
    claims: InFlightRequests,
    settled: watch::Sender<Option<Arc<History>>>,
}

/// The result of claiming a request.
pub(crate) enum Joined {
    /// This record sends it.
    Leader(Leader),
    /// Another record is sending it.
    Follower(Shared),
}

impl InFlightRequests {
    pub(crate) fn join(&self, id: RequestId) -> Joined {
        let (settled, receiver) = watch::channel(None);
        // Nothing panics while holding the lock.
        if let Ok(mut claims) = self.0.lock() {
            if let Some(theirs) = claims.get(&id) {
                return Joined::Follower(theirs.clone());
            }
            claims.insert(id, receiver);
        }
        Joined::Leader(Leader { id, claims: self.clone(), settled })
    }
}

impl Leader {
    /// Notifies the followers. Only history in the ledger may be reported.
    pub(crate) fn settle(self, history: History) {
        self.settled.send_replace(Some(Arc::new(history)));
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if let Ok(mut claims) = self.claims.0.lock() {
            claims.remove(&self.id);
        }
    }
}
