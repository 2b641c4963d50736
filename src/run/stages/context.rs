//! A run's resources for stages that call no model. Main type: [`StageContext`].

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

/// A run's resources for stages that call no model.
pub(crate) struct StageContext {
    pub(crate) database: Database,
    /// The engine that evaluates expressions.
    pub(crate) engine: Mutex<Engine>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) events: Arc<Events>,
    /// The records read by the sources.
    pub(crate) read: ReadLog,
    /// The sinks that have finished writing.
    pub(crate) written: watch::Sender<HashSet<NodeId>>,
}

impl StageContext {
    /// Waits until these sinks have finished writing; `None` if the run is stopped first.
    pub(crate) async fn wait_for(&self, sinks: &[NodeId]) -> Option<()> {
        let mut written = self.written.subscribe();
        let all = written.wait_for(|written| sinks.iter().all(|sink| written.contains(sink)));
        tokio::select! {
            all = all => all.ok().map(drop),
            () = self.database.shutdown.token().cancelled_owned() => None,
        }
    }

    /// Stores which records the sources have read.
    pub(crate) async fn note_read(&self) {
        let read = self.read.take();
        if !read.is_empty() {
            let Database { store, run, shutdown, .. } = &self.database;
            // A failure is reported as the run's end.
            let _: Option<()> = shutdown.check(store.add_read(*run, read).await);
        }
    }
}
