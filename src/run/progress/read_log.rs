//! The records read by the sources, until they are stored. Main type: [`ReadLog`].

use std::sync::{Arc, Mutex};

use crate::{mistral::unpoisoned, store::Read};

/// The records read since the last `take`; empty in a run that cannot remove rows.
#[derive(Debug, Default)]
pub(crate) struct ReadLog {
    read: Mutex<Vec<Read>>,
    is_kept: bool,
}

impl ReadLog {
    pub(crate) fn new(is_kept: bool) -> Self {
        Self { is_kept, ..Self::default() }
    }

    pub(crate) fn add(&self, source: &Arc<str>, record: Option<i64>) {
        if self.is_kept {
            unpoisoned(&self.read).push((Arc::clone(source), record));
        }
    }

    pub(crate) fn take(&self) -> Vec<Read> {
        std::mem::take(&mut *unpoisoned(&self.read))
    }
}
