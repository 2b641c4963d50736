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
    sim::GivenAnswers,
    sql::Engine,
    store::{Batch, Run, Store},
};

use super::{
    claims::Claims, halt::Halt, meter::Meters, mocks::Answers, money::Purse, preflight::Preflight,
    read_log::ReadLog,
};

/// What all stages of a run share.
pub(super) struct Context {
    /// The pipeline's name.
    pub(super) pipeline: String,
    /// The stages that collect batch jobs, by name.
    pub(super) batches: Vec<Arc<str>>,
    pub(super) store: Store,
    /// Where expressions are evaluated.
    pub(super) engine: Mutex<Engine>,
    pub(super) run: Run,
    /// Whose answers count: see [`Options::server`].
    pub(super) server: String,
    /// How much faster than on the wall time passes for batch jobs: only in a simulator is it not 1.
    pub(super) speed: f64,
    pub(super) fresh: bool,
    pub(super) retry_failed: bool,
    pub(super) only: Option<String>,
    /// Whose jobs are this run's to look after: see [`mistral::account`].
    pub(super) account: String,
    pub(super) halt: Halt,
    pub(super) claims: Claims,
    pub(super) prices: Prices,
    pub(super) purse: Purse,
    pub(super) preflight: Preflight,
    pub(super) offline: bool,
    pub(super) answers: Option<Answers>,
    /// Where the simulator finds what it is to answer.
    pub(super) given: GivenAnswers,
    pub(super) meters: Arc<Meters>,
    /// Which records the sources have read.
    pub(super) read: ReadLog,
    /// The sinks that have written their last row.
    pub(super) written: watch::Sender<HashSet<NodeId>>,
    pub(super) events: mpsc::Sender<Event>,
    /// The index by which events name each node, if they do.
    pub(super) visible: Vec<Option<usize>>,
}

impl Context {
    /// Tells what happened, and waits for a place in the queue: this must not be lost.
    pub(super) async fn tell(&self, kind: EventKind) {
        // Nobody listens any more: then there is nobody to tell.
        let _ = self.events.send(Event { at: Timestamp::now(), kind }).await;
    }

    /// Tells what happened if there is a place in the queue: the next event of its kind says it again.
    pub(super) fn tell_now(&self, kind: EventKind) {
        let _ = self.events.try_send(Event { at: Timestamp::now(), kind });
    }

    /// What the ledger has of some requests; nothing in a run that asks everything anew.
    pub(super) async fn known(&self, requests: Vec<RequestId>) -> HashMap<RequestId, History> {
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
    pub(super) async fn commit(&self, entries: Vec<Entry>) -> bool {
        let batch = Batch { entries, ..Batch::default() };
        self.halt.check(self.store.commit(self.run, &self.server, batch).await).is_some()
    }

    /// The generation of requests that this run is the first to make.
    pub(super) fn generation(&self) -> Generation {
        Generation(self.run.0)
    }

    /// Whether a stage may ask in this run, or why not.
    pub(super) fn may_ask(&self, stage: &str) -> Result<(), String> {
        match &self.only {
            Some(only) if only != stage => Err(format!("left for later: this run asks only at `{only}`")),
            _ => Ok(()),
        }
    }

    /// Waits until sinks have written their last row; nothing where the run is stopped before.
    pub(super) async fn wait_for(&self, sinks: &[NodeId]) -> Option<()> {
        let mut written = self.written.subscribe();
        let all = written.wait_for(|written| sinks.iter().all(|sink| written.contains(sink)));
        tokio::select! {
            all = all => all.ok().map(drop),
            () = self.halt.token().cancelled_owned() => None,
        }
    }

    pub(super) fn visible(&self, id: NodeId) -> Option<usize> {
        self.visible.get(id.0).copied().flatten()
    }

    pub(super) fn end(&self) -> RunEnd {
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
