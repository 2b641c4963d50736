//! A request that has been written, and one on its way. Main type: [`Written`].

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;

use crate::{
    ledger::{History, RequestId},
    units::Usd,
};

/// A request that has been written but not sent.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) id: RequestId,
    /// The identity that an older program gave it, where it is another.
    pub(super) older: Option<RequestId>,
    /// The model that is asked.
    pub(crate) model: Arc<str>,
    /// Nothing where files go with the question: [`Writer::body`](super::write::Writer::body) reads them again.
    pub(super) body: Option<Bytes>,
    /// About what it has in tokens.
    pub(crate) prompt: u64,
    /// What it has at least.
    pub(crate) least: u64,
    /// About what it will cost in tokens.
    pub(crate) tokens: u64,
    /// The pages that it has at most.
    pub(crate) pages: u64,
    /// What it will cost at most, as far as an answer has its limits.
    pub(crate) cost: Usd,
}

impl Written {
    /// Under which identities the ledger may have it.
    pub(crate) fn ids(&self) -> impl Iterator<Item = RequestId> {
        [Some(self.id), self.older].into_iter().flatten()
    }

    /// What the ledger has of it, also under the identity that an older program gave it: then it continues under
    /// that one.
    pub(crate) fn history_in(&mut self, known: &HashMap<RequestId, History>) -> Option<History> {
        let older = self.older.filter(|_| !known.contains_key(&self.id));
        if let Some(older) = older.filter(|older| known.contains_key(older)) {
            self.id = older;
        }
        known.get(&self.id).cloned()
    }
}

/// A request on its way: of its first attempt, or of a later one.
pub(crate) struct Sending {
    pub(crate) body: Bytes,
    /// About what it will cost in tokens.
    pub(crate) tokens: u64,
    /// What it will cost at most, as far as an answer has its limits.
    pub(crate) cost: Usd,
}
