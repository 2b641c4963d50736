//! One question, one payment: records that ask the same thing at the same time share the answer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::sync::watch;

use crate::ledger::{History, RequestId};

/// What became of a request, once it is in the ledger. Each record judges it for itself.
pub(crate) type Told = watch::Receiver<Option<Arc<History>>>;

/// Requests that somebody is on the way to an answer of.
///
/// A claim is made before the ledger is looked into, and given up after the answer is in it:
/// whoever finds no claim finds the answer.
#[derive(Clone, Default)]
pub(crate) struct Claims(Arc<Mutex<HashMap<RequestId, Told>>>);

/// The right to ask; given up when dropped.
pub(crate) struct Claim {
    id: RequestId,
    claims: Claims,
    settled: watch::Sender<Option<Arc<History>>>,
}

/// What comes of claiming a request.
pub(crate) enum Claimed {
    /// It is ours to ask.
    Ours(Claim),
    /// Another record asks it already.
    Theirs(Told),
}

impl Claims {
    pub(crate) fn claim(&self, id: RequestId) -> Claimed {
        let (settled, receiver) = watch::channel(None);
        // Nothing in here can panic while the lock is held.
        if let Ok(mut claims) = self.0.lock() {
            if let Some(theirs) = claims.get(&id) {
                return Claimed::Theirs(theirs.clone());
            }
            claims.insert(id, receiver);
        }
        Claimed::Ours(Claim { id, claims: self.clone(), settled })
    }
}

impl Claim {
    /// Tells those who wait. Only what is in the ledger may be told.
    pub(crate) fn settle(self, history: History) {
        self.settled.send_replace(Some(Arc::new(history)));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Ok(mut claims) = self.claims.0.lock() {
            claims.remove(&self.id);
        }
    }
}
