//! A run's view of the database: lookups in the ledger, and durable steps. Main type: [`Database`], used by every
//! stage. A database error stops the run.

use std::collections::HashMap;

use crate::{
    ledger::{Entry, Generation, History, JobStep, RequestId},
    store::{Batch, JobRecord, Run, Store, StoreError},
};

use super::drive::shutdown::Shutdown;

/// The database of a run.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) store: Store,
    pub(crate) run: Run,
    /// The server whose answers count: see [`Options::server`](super::options::Options::server).
    pub(crate) server: String,
    /// Whether answers of earlier runs are ignored.
    pub(crate) fresh: bool,
    pub(crate) shutdown: Shutdown,
}

impl Database {
    /// The histories of some requests; without those of earlier runs in a fresh one.
    pub(crate) async fn known(&self, requests: Vec<RequestId>) -> HashMap<RequestId, History> {
        match self.shutdown.check(self.store.known(&self.server, requests).await) {
            // Requests of this run itself are known.
            Some(known) if self.fresh => {
                known.into_iter().filter(|(_, history)| history.generation == self.generation()).collect()
            }
            Some(known) => known,
            None => HashMap::new(),
        }
    }

    /// Makes steps durable; returns whether that succeeded.
    pub(crate) async fn commit(&self, entries: Vec<Entry>) -> bool {
        let batch = Batch { entries, ..Batch::default() };
        self.shutdown.check(self.store.commit(self.run, &self.server, batch).await).is_some()
    }

    /// Applies a step to a job and makes it durable; returns whether that succeeded.
    pub(crate) async fn job_step(&self, job: &mut JobRecord, step: JobStep, batch: Batch) -> bool {
        if self.shutdown.check(job.step(&step).map_err(StoreError::from)).is_none() {
            return false;
        }
        let batch = Batch { jobs: vec![(job.clone(), step)], ..batch };
        self.shutdown.check(self.store.commit(self.run, &self.server, batch).await).is_some()
    }

    /// The generation of requests that are new in this run.
    pub(crate) fn generation(&self) -> Generation {
        Generation(self.run.0)
    }
}
