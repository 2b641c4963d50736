//! Waves on disk: a barrier that holds, closes once, and stays closed when its run is taken up again.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::json;

use crate::{
    event::EventKind,
    fault,
    plan::{Node, Plan, Port, Step, Wave},
    record::{FailureKind, Fields, Outcome, Record},
    stage::{Closed, Hold, Ports, RecordStream, Routed, reopened, wave as barrier},
    store::{ClosedWave, Held, Transformation},
    template::Expression,
};

use super::{Context, RunError, meter::Meter, transform::expression};

/// What a wave holds, in a table of the pipeline's own database.
struct OnDisk {
    node: Node,
    wave: Wave,
    stop_if: Option<Expression>,
    /// What the plan says of the wave and of everything above it.
    plan: String,
    /// Records that got no answer, and come again with the next run.
    pending: Arc<AtomicU64>,
    /// Records that failed above it, wherever they go.
    failures: Arc<AtomicU64>,
    meter: Arc<Meter>,
    context: Arc<Context>,
}

impl Hold for OnDisk {
    async fn add(&self, place: i64, records: Vec<(bool, Record)>) -> Option<()> {
        for _ in &records {
            self.context.halt.check(fault::check("wave"))?;
        }
        self.context
            .halt
            .check(self.context.store.add_held(&self.context.held(&self.node.name), place, records).await)
    }

    async fn page(&self, failed: bool, place: i64, count: usize) -> Option<(Vec<Record>, Option<i64>)> {
        if self.context.halt.is_stopped() {
            return None;
        }
        let held = self.context.store.held(&self.context.held(&self.node.name), failed, place, count).await;
        let Held { records, next } = self.context.halt.check(held)?;
        Some((records, next))
    }

    async fn seal(&self, counts: Closed) -> Option<Closed> {
        let Context { store, halt, .. } = &*self.context;
        halt.check(self.stop_if(counts))?;
        fault::point("before_close");
        let transformation = self.wave.sql.as_ref().map(|sql| Transformation {
            text: sql.text.clone(),
            fields: sql.fields.clone(),
            key: sql.key.clone(),
        });
        let closed = ClosedWave {
            wave: self.node.name.to_string(),
            plan: self.plan.clone(),
            ok: counts.ok,
            failed: counts.failed,
            pending: self.pending.load(Ordering::Relaxed),
        };
        let ok = halt.check(
            store
                .close_wave(self.context.run, &self.context.held(&self.node.name), closed, transformation)
                .await,
        )?;
        // What a query makes of the records is other records.
        let added = ok as i64 - counts.ok as i64;
        self.context.meters.added.fetch_add(added, Ordering::Relaxed);
        let counts = Closed { ok, ..counts };
        self.tell(counts, None).await;
        Some(counts)
    }
}

impl OnDisk {
    fn stop_if(&self, counts: Closed) -> Result<(), RunError> {
        let (Some(stop_if), Some(condition)) = (&self.stop_if, &self.wave.stop_if) else { return Ok(()) };
        let failed = self.failures.load(Ordering::Relaxed);
        let total = counts.ok + failed;
        let mut fields = Fields::new();
        fields.extend(
            [("total", total), ("ok", counts.ok), ("failed", failed)]
                .map(|(name, count)| (name.to_owned(), json!(count))),
        );
        match stop_if.test(&fields) {
            Ok(false) => Ok(()),
            Ok(true) => Err(RunError::WaveStopped {
                wave: self.node.name.to_string(),
                condition: condition.clone(),
                failed,
                total,
            }),
            Err(error) => {
                Err(RunError::Condition { wave: self.node.name.to_string(), why: error.to_string() })
            }
        }
    }

    async fn tell(&self, counts: Closed, since: Option<i64>) {
        self.meter.set_total(counts.ok);
        self.meter.set_failed_total(counts.failed);
        if let Some(stage) = self.context.visible(self.node.id) {
            let kind = EventKind::WaveClosed { stage, ok: counts.ok, failed: counts.failed, since };
            self.context.tell(kind).await;
        }
    }
}

pub(super) async fn wave(
    input: RecordStream,
    node: &Node,
    what: &Wave,
    plan: &Plan,
    context: &Arc<Context>,
) -> Result<Ports, RunError> {
    context.halt.check(context.store.hold(&context.held(&node.name)).await);
    let hold = on_disk(node, what, plan, context)?;
    let read = plan.readers(node.id, Port::Failed).next().is_some();
    // A record that a source could not make has nothing in it to work on again.
    let sources: HashSet<Arc<str>> = plan
        .nodes
        .iter()
        .filter(|node| matches!(node.step, Step::Source(_)))
        .map(|node| Arc::clone(&node.name))
        .collect();
    let counted = Arc::clone(&hold.meter);
    let (pending, failures) = (Arc::clone(&hold.pending), Arc::clone(&hold.failures));
    let route = move |outcome: Outcome| match outcome {
        Ok(record) => {
            counted.taken.add(1);
            counted.done.add(1);
            Routed::Ok(record)
        }
        Err(failure) => {
            let unanswered = failure.kind == FailureKind::Unanswered;
            pending.fetch_add(u64::from(unanswered), Ordering::Relaxed);
            failures.fetch_add(1, Ordering::Relaxed);
            // What got no answer is pending: it goes on by itself in the next run, and is not repaired.
            match !read || unanswered || sources.contains(&failure.stage) {
                true => Routed::Aside(failure),
                false => Routed::Failed(failure),
            }
        }
    };
    let halt = context.halt.clone();
    Ok(barrier(input, &hold, route, move || !halt.is_stopped()))
}

/// The ports of a wave that an earlier run closed.
pub(super) async fn closed(
    node: &Node,
    what: &Wave,
    plan: &Plan,
    (since, counts): (i64, Closed),
    context: &Arc<Context>,
) -> Result<Ports, RunError> {
    let hold = on_disk(node, what, plan, context)?;
    hold.meter.taken.add(counts.ok);
    hold.meter.done.add(counts.ok);
    hold.meter.resumed.add(counts.ok + counts.failed);
    let carried = ClosedWave {
        wave: node.name.to_string(),
        plan: hold.plan.clone(),
        ok: counts.ok,
        failed: counts.failed,
        pending: 0,
    };
    // If this run is cut off too, the one after it finds the wave closed in this one.
    context.store.close_wave(context.run, &context.held(&node.name), carried, None).await?;
    hold.tell(counts, Some(since)).await;
    Ok(reopened(&hold, counts))
}

fn on_disk(node: &Node, what: &Wave, plan: &Plan, context: &Arc<Context>) -> Result<Arc<OnDisk>, RunError> {
    Ok(Arc::new(OnDisk {
        node: node.clone(),
        wave: what.clone(),
        stop_if: what.stop_if.as_deref().map(expression).transpose()?,
        plan: plan.fingerprint(node.id),
        pending: Arc::default(),
        failures: Arc::default(),
        meter: Arc::clone(context.meters.of(node.id)),
        context: Arc::clone(context),
    }))
}
