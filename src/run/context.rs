//! What all stages of a run share. Main type: [`Context`].

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use crate::{
    event::{Event, EventKind, RunEnd},
    ledger::{Entry, Generation, History, RequestId},
    mistral::Prices,
    plan::NodeId,
    request::{mock::Offline, setup::Setup},
    run::{
        ask::{claims::Claims, preflight::Preflight},
        drive::halt::Halt,
        money::purse::Purse,
        progress::{meter::Meters, read_log::ReadLog},
    },
    sql::Engine,
    store::{Batch, Run, Store},
};

/// What all stages of a run share.
pub(crate) struct Context {
    /// The pipeline's name.
    pub(crate) pipeline: String,
    /// The stages that collect batch jobs, by name.
    pub(crate) batches: Vec<Arc<str>>,
    pub(crate) store: Store,
    /// Where expressions are evaluated.
    pub(crate) engine: Mutex<Engine>,
    pub(crate) run: Run,
    /// Whose answers count: see [`Options::server`].
    pub(crate) server: String,
    /// How much faster than on the wall time passes for batch jobs: only in a simulator is it not 1.
    pub(crate) speed: f64,
    pub(crate) fresh: bool,
    pub(crate) retry_failed: bool,
    pub(crate) only: Option<String>,
    /// Whose jobs are this run's to look after: see [`mistral::account`].
    pub(crate) account: String,
    pub(crate) halt: Halt,
    pub(crate) claims: Claims,
    pub(crate) prices: Prices,
    pub(crate) purse: Purse,
    pub(crate) preflight: Preflight,
    /// What the simulator is to answer, in an offline run.
    pub(crate) offline: Option<Offline>,
    pub(crate) meters: Arc<Meters>,
    /// Which records the sources have read.
    pub(crate) read: ReadLog,
    /// The sinks that have written their last row.
    pub(crate) written: watch::Sender<HashSet<NodeId>>,
    pub(crate) events: mpsc::Sender<Event>,
    /// The index by which events name each node, if they do.
    pub(crate) visible: Vec<Option<usize>>,
}

impl Context {
    /// Tells what happened, and waits for a place in the queue: this must not be lost.
    pub(crate) async fn tell(&self, kind: EventKind) {
        // Nobody listens any more: then there is nobody to tell.
        let _ = self.events.send(Event { at: Timestamp::now(), kind }).await;
    }

    /// Tells what happened if there is a place in the queue: the next event of its kind says it again.
    pub(crate) fn tell_now(&self, kind: EventKind) {
        let _ = self.events.try_send(Event { at: Timestamp::now(), kind });
    }

    /// What the ledger has of some requests; nothing in a run that asks everything anew.
    pub(crate) async fn known(&self, requests: Vec<RequestId>) -> HashMap<RequestId, History> {
        match self.halt.check(self.store.known(&self.server, requests).await) {
            // What this run has asked itself it does know.
            Some(known) if self.fresh => {
                known.into_iter().filter(|(_, history)| history.generation == self.generation()).collect()
            }
            Some(known) => known,
            None => HashMap::new(),
        }
    }

    /// Makes steps durable; tells whether they are.
    pub(crate) async fn commit(&self, entries: Vec<Entry>) -> bool {
        let batch = Batch { entries, ..Batch::default() };
        self.halt.check(self.store.commit(self.run, &self.server, batch).await).is_some()
    }

    /// What the requests of a stage need of the run.
    pub(crate) fn setup(&self) -> Setup<'_> {
        Setup {
            engine: &self.engine,
            prices: &self.prices,
            priced: self.purse.is_limited(),
            cached_for: self.is_mistral().then_some(&*self.pipeline),
            offline: self.offline.as_ref(),
        }
    }

    /// The generation of requests that this run is the first to make.
    pub(crate) fn generation(&self) -> Generation {
        Generation(self.run.0)
    }

    /// Whether a stage may ask in this run, or why not.
    pub(crate) fn may_ask(&self, stage: &str) -> Result<(), String> {
        match &self.only {
            Some(only) if only != stage => Err(format!("left for later: this run asks only at `{only}`")),
            _ => Ok(()),
        }
    }

    /// Waits until sinks have written their last row; nothing where the run is stopped before.
    pub(crate) async fn wait_for(&self, sinks: &[NodeId]) -> Option<()> {
        let mut written = self.written.subscribe();
        let all = written.wait_for(|written| sinks.iter().all(|sink| written.contains(sink)));
        tokio::select! {
            all = all => all.ok().map(drop),
            () = self.halt.token().cancelled_owned() => None,
        }
    }

    pub(crate) fn visible(&self, id: NodeId) -> Option<usize> {
        self.visible.get(id.0).copied().flatten()
    }

    pub(crate) fn end(&self) -> RunEnd {
        if let Some(end) = self.halt.end() {
            return end;
        }
        if self.halt.is_stopped() {
            return RunEnd::Interrupted;
        }
        if self.meters.unanswered.get() > 0 {
            RunEnd::Pending
        } else if self.meters.failures.get() > 0 {
            RunEnd::WithFailures
        } else {
            RunEnd::Complete
        }
    }
}
