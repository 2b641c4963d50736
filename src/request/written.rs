//! A written request, and one to be sent. Main type: [`Written`].

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
    /// Its identity in older versions, if different.
    pub(super) older: Option<RequestId>,
    /// The requested model.
    pub(crate) model: Arc<str>,
    /// `None` if files are attached: [`Writer::body`](super::write::Writer::body) reads them again.
    pub(super) body: Option<Bytes>,
    /// The estimated tokens of the prompt.
    pub(crate) prompt: u64,
    /// The minimum tokens of the prompt.
    pub(crate) least: u64,
    /// The estimated tokens of prompt and answer.
    pub(crate) tokens: u64,
    /// The most pages.
    pub(crate) pages: u64,
    /// The maximum cost, as far as the answer is limited.
    pub(crate) cost: Usd,
}

impl Written {
    /// The identities that the ledger may have it under.
    pub(crate) fn ids(&self) -> impl Iterator<Item = RequestId> {
        [Some(self.id), self.older].into_iter().flatten()
    }

    /// Its history in the ledger; if that is under an older version's identity, the request adopts this identity.
    pub(crate) fn history_in(&mut self, known: &HashMap<RequestId, History>) -> Option<History> {
        let older = self.older.filter(|_| !known.contains_key(&self.id));
        if let Some(older) = older.filter(|older| known.contains_key(older)) {
            self.id = older;
        }
        known.get(&self.id).cloned()
    }
}

/// A request to be sent: the first attempt or a later one.
pub(crate) struct Sending {
    pub(crate) body: Bytes,
    /// The estimated tokens of prompt and answer.
    pub(crate) tokens: u64,
    /// The maximum cost, as far as the answer is limited.
    pub(crate) cost: Usd,
}
