//! Events of a run, sent to its observer. Main type: [`Events`].

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::{
    event::{Event, EventKind},
    plan::NodeId,
    store::JobRecord,
};

/// The queue of events, and the index by which they name each node.
pub(crate) struct Events {
    queue: mpsc::Sender<Event>,
    /// By node; `None` if a stage is not shown.
    visible: Vec<Option<usize>>,
}

impl Events {
    pub(crate) const fn new(queue: mpsc::Sender<Event>, visible: Vec<Option<usize>>) -> Self {
        Self { queue, visible }
    }

    /// Emits an event that must not be lost; waits for space in the queue.
    pub(crate) async fn emit(&self, kind: EventKind) {
        // Without a receiver the event is not needed.
        let _ = self.queue.send(Event { at: Timestamp::now(), kind }).await;
    }

    /// Emits an event if the queue has space: the next one of its kind repeats it.
    pub(crate) fn emit_now(&self, kind: EventKind) {
        let _ = self.queue.try_send(Event { at: Timestamp::now(), kind });
    }

    /// The index by which events refer to a node, if any.
    pub(crate) fn visible(&self, id: NodeId) -> Option<usize> {
        self.visible.get(id.0).copied().flatten()
    }

    /// Reports that a stage has processed its last record.
    pub(crate) async fn stage_ended(&self, id: NodeId) {
        if let Some(stage) = self.visible(id) {
            self.emit(EventKind::StageEnded { stage }).await;
        }
    }

    /// Reports the state of a job.
    pub(crate) async fn job_changed(&self, id: NodeId, job: &JobRecord) {
        let Some(stage) = self.visible(id) else { return };
        let kind = EventKind::JobChanged {
            stage,
            job: job.job.clone().unwrap_or_else(|| job.token.clone()),
            status: job.status.clone().unwrap_or_else(|| job.state.to_string()),
            requests: job.requests,
            completed: job.completed,
            failed: job.failed,
        };
        self.emit(kind).await;
    }
}
