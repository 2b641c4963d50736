//! One question, one payment: records that ask the same thing at the same time share the answer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::sync::watch;

use crate::ledger::{History, RequestId};

/// What became of a request, once it is in the ledger. Each record judges it for itself.
pub(crate) type Shared = watch::Receiver<Option<Arc<History>>>;

/// Requests that somebody is on the way to an answer of.
///
/// A claim is made before the ledger is looked into, and given up after the answer is in it:
/// whoever finds no claim finds the answer.
#[derive(Clone, Default)]
pub(crate) struct InFlightRequests(Arc<Mutex<HashMap<RequestId, Shared>>>);

/// The right to ask; given up when dropped.
pub(crate) struct Leader {
    id: RequestId,
    claims: InFlightRequests,
    settled: watch::Sender<Option<Arc<History>>>,
}

/// What comes of claiming a request.
pub(crate) enum Joined {
    /// It is ours to ask.
    Leader(Leader),
    /// Another record asks it already.
    Follower(Shared),
}

impl InFlightRequests {
    pub(crate) fn join(&self, id: RequestId) -> Joined {
        let (settled, receiver) = watch::channel(None);
        // Nothing in here can panic while the lock is held.
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
    /// Tells those who wait. Only what is in the ledger may be reported.
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
