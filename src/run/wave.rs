//! Waves on disk.

use std::{collections::HashSet, sync::Arc};

use crate::{
    event::EventKind,
    plan::{Node, Plan, Port, Step},
    record::{FailureKind, Outcome, Record},
    stage::{Hold, Ports, RecordStream, Routed, wave as barrier},
    store::Held,
};

use super::Context;

/// What a wave holds, in a table of the pipeline's own database.
struct OnDisk {
    name: Arc<str>,
    context: Arc<Context>,
}

impl Hold for OnDisk {
    async fn add(&self, place: i64, records: Vec<(bool, Record)>) -> Option<()> {
        self.context.halt.check(self.context.store.add_held(&self.name, place, records).await)
    }

    async fn page(&self, failed: bool, place: i64, count: usize) -> Option<(Vec<Record>, Option<i64>)> {
        if self.context.halt.is_stopped() {
            return None;
        }
        let held = self.context.store.held(&self.name, failed, place, count).await;
        let Held { records, next } = self.context.halt.check(held)?;
        Some((records, next))
    }
}

pub(super) async fn wave(input: RecordStream, node: &Node, plan: &Plan, context: &Arc<Context>) -> Ports {
    context.halt.check(context.store.hold(&node.name).await);
    let hold = Arc::new(OnDisk { name: Arc::clone(&node.name), context: Arc::clone(context) });
    let read = plan.readers(node.id, Port::Failed).next().is_some();
    // A record that a source could not make has nothing in it to work on again.
    let sources: HashSet<Arc<str>> = plan
        .nodes
        .iter()
        .filter(|node| matches!(node.step, Step::Source(_)))
        .map(|node| Arc::clone(&node.name))
        .collect();
    let meter = Arc::clone(context.meters.of(node.id));
    let counted = Arc::clone(&meter);
    let route = move |outcome: Outcome| match outcome {
        Ok(record) => {
            counted.taken.add(1);
            counted.done.add(1);
            Routed::Ok(record)
        }
        // What got no answer is pending: it goes on by itself in the next run, and is not repaired.
        Err(failure)
            if !read || failure.kind == FailureKind::Unanswered || sources.contains(&failure.stage) =>
        {
            Routed::Aside(failure)
        }
        Err(failure) => Routed::Failed(failure),
    };
    let halt = context.halt.clone();
    let (told, stage) = (Arc::clone(context), context.visible(node.id));
    let closed = move |closed: crate::stage::Closed| {
        meter.set_total(closed.ok);
        meter.set_failed_total(closed.failed);
        if let Some(stage) = stage {
            told.tell_now(EventKind::WaveClosed { stage, ok: closed.ok, failed: closed.failed });
        }
    };
    barrier(input, &hold, route, move || !halt.is_stopped(), closed)
}
