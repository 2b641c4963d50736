//! What the stages that call no model have of their run. Main type: [`StageContext`].

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use tokio::sync::watch;

use crate::{
    plan::NodeId,
    run::{
        database::Database,
        progress::{events::Events, meter::Meters, read_log::ReadLog},
    },
    sql::Engine,
};

/// What the stages that call no model have of their run.
pub(crate) struct StageContext {
    pub(crate) database: Database,
    /// Where expressions are evaluated.
    pub(crate) engine: Mutex<Engine>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) events: Arc<Events>,
    /// Which records the sources have read.
    pub(crate) read: ReadLog,
    /// The sinks that have written their last row.
    pub(crate) written: watch::Sender<HashSet<NodeId>>,
}

impl StageContext {
    /// Waits until sinks have written their last row; nothing where the run is stopped before.
    pub(crate) async fn wait_for(&self, sinks: &[NodeId]) -> Option<()> {
        let mut written = self.written.subscribe();
        let all = written.wait_for(|written| sinks.iter().all(|sink| written.contains(sink)));
        tokio::select! {
            all = all => all.ok().map(drop),
            () = self.database.shutdown.token().cancelled_owned() => None,
        }
    }

    /// Makes durable which records the sources have read.
    pub(crate) async fn note_read(&self) {
        let read = self.read.take();
        if !read.is_empty() {
            let Database { store, run, shutdown, .. } = &self.database;
            // A failure is reported as the run's end.
            let _: Option<()> = shutdown.check(store.add_read(*run, read).await);
        }
    }
}
