//! Which records the sources have read, until it is written down. Main type: [`ReadLog`].

use std::sync::{Arc, Mutex};

use crate::{mistral::unpoisoned, store::Read};

/// What was read since it was last taken; nothing in a run in which no row can go.
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
