//! The database as one run uses it: what the ledger has, and steps that become durable. Main type: [`Database`], which
//! every stage has. An error of the database stops the run.

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
    /// Whose answers count: see [`Options::server`](super::options::Options::server).
    pub(crate) server: String,
    /// Whether answers of earlier runs do not count.
    pub(crate) fresh: bool,
    pub(crate) shutdown: Shutdown,
}

impl Database {
    /// What the ledger has of some requests; nothing of earlier runs in a fresh one.
    pub(crate) async fn known(&self, requests: Vec<RequestId>) -> HashMap<RequestId, History> {
        match self.shutdown.check(self.store.known(&self.server, requests).await) {
            // What this run has asked itself it does know.
            Some(known) if self.fresh => {
                known.into_iter().filter(|(_, history)| history.generation == self.generation()).collect()
            }
            Some(known) => known,
            None => HashMap::new(),
        }
    }

    /// Makes steps durable; gives whether they are.
    pub(crate) async fn commit(&self, entries: Vec<Entry>) -> bool {
        let batch = Batch { entries, ..Batch::default() };
        self.shutdown.check(self.store.commit(self.run, &self.server, batch).await).is_some()
    }

    /// Takes a step of a job, and makes it durable; gives whether it is.
    pub(crate) async fn job_step(&self, job: &mut JobRecord, step: JobStep, batch: Batch) -> bool {
        if self.shutdown.check(job.step(&step).map_err(StoreError::from)).is_none() {
            return false;
        }
        let batch = Batch { jobs: vec![(job.clone(), step)], ..batch };
        self.shutdown.check(self.store.commit(self.run, &self.server, batch).await).is_some()
    }

    /// The generation of requests that this run is the first to make.
    pub(crate) fn generation(&self) -> Generation {
        Generation(self.run.0)
    }
}
