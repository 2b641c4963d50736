//! Waves on disk: a barrier that holds records, closes once, and stays closed when its run is resumed.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::StreamExt;

use crate::{
    event::EventKind,
    expressions::Expressions,
    fault_injection,
    plan::{self, Node, Plan, Port, RecordType, Set, Step, Wave},
    record::{FailureKind, LogicalType, Outcome, Record, Value},
    run::{database::Database, error::RunError, progress::meter::Meter, stages::context::StageContext},
    stage::{Closed, Hold, Ports, RecordStream, Routed, Shelf, merge, reopened, wave as barrier},
    store::{ClosedWave, Held, Query, Transformation, WaveBuffer},
};
/// The records of a wave, in a table of the pipeline's own database.
struct OnDisk {
    node: Node,
    wave: Wave,
    buffer: WaveBuffer,
    stop_if: Option<Expressions>,
    /// The fingerprint of the wave and everything above it in the plan.
    plan: String,
    /// Records without an answer, which the next run requests again.
    pending: Arc<AtomicU64>,
    /// Failures above it, wherever they go.
    failures: Arc<AtomicU64>,
    meter: Arc<Meter>,
    context: Arc<StageContext>,
}

impl Hold for OnDisk {
    async fn add(&self, place: i64, records: Vec<(Shelf, Record)>) -> Option<()> {
        for _ in &records {
            self.context.database.shutdown.check(fault_injection::check("wave"))?;
        }
        self.context.note_read().await;
        self.context
            .database
            .shutdown
            .check(self.context.database.store.add_held(&self.buffer, place, records).await)
    }

    async fn page(&self, failed: bool, place: i64, count: usize) -> Option<(Vec<Record>, Option<i64>)> {
        if self.context.database.shutdown.is_stopped() {
            return None;
        }
        let held = self.context.database.store.held(&self.buffer, failed, place, count).await;
        let Held { records, next } = self.context.database.shutdown.check(held)?;
        Some((records, next))
    }

    async fn seal(&self, counts: Closed) -> Option<Closed> {
        let Database { store, shutdown, .. } = &self.context.database;
        shutdown.check(self.stop_if(counts))?;
        self.context.wait_for(&self.wave.waits).await?;
        fault_injection::point("before_close");
        let transformation = self.wave.set.as_ref().map(|set| match set {
            Set::Query(query) => Transformation::Query(Query {
                text: query.text.clone(),
                origins: query.origins.clone(),
                names: query.names.clone(),
                relations: query.relations.iter().map(|relation| relation.name.clone()).collect(),
                key: query.key.clone(),
                output: Arc::clone(&query.output),
            }),
            Set::Sample(count) => Transformation::Sample(*count),
            Set::Unique { of, key } => Transformation::Unique { of: of.clone(), key: key.clone() },
        });
        let closed = ClosedWave {
            wave: self.node.name.to_string(),
            plan: self.plan.clone(),
            ok: counts.ok,
            failed: counts.failed,
            pending: self.pending.load(Ordering::Relaxed),
        };
        let ok = shutdown
            .check(store.close_wave(self.context.database.run, &self.buffer, closed, transformation).await)?;
        match &self.wave.set {
            Some(Set::Sample(_) | Set::Unique { .. }) => self.meter.skipped.add(counts.ok - ok),
            // The results of a query are different records.
            _ => {
                let added = ok as i64 - counts.ok as i64;
                self.context.meters.added.fetch_add(added, Ordering::Relaxed);
            }
        }
        self.meter.done.set(ok);
        let counts = Closed { ok, ..counts };
        self.emit(counts, None).await;
        Some(counts)
    }
}

impl OnDisk {
    fn stop_if(&self, counts: Closed) -> Result<(), RunError> {
        let (Some(stop_if), Some(condition)) = (&self.stop_if, &self.wave.stop_if) else { return Ok(()) };
        let failed = self.failures.load(Ordering::Relaxed);
        let total = counts.ok + failed + self.pending.load(Ordering::Relaxed);
        if total == 0 {
            // Without records there is no share.
            return Ok(());
        }
        let values = [total, counts.ok, failed].map(|count| Value::Integer(count as i64));
        let record = Record::new("", Arc::new(plan::counts()), values.to_vec());
        match stop_if.evaluate(&[&record]).pop() {
            Some(Ok(values)) if values[..] == [Value::Boolean(true)] => Err(RunError::WaveStopped {
                wave: self.node.name.to_string(),
                condition: condition.clone(),
                failed,
                total,
            }),
            Some(Err(why)) => Err(RunError::Condition { wave: self.node.name.to_string(), why }),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    async fn emit(&self, counts: Closed, since: Option<i64>) {
        self.meter.set_total(counts.ok);
        self.meter.set_failed_total(counts.failed);
        if let Some(stage) = self.context.events.visible(self.node.id) {
            let kind = EventKind::WaveClosed { stage, ok: counts.ok, failed: counts.failed, since };
            self.context.events.emit(kind).await;
        }
    }
}

pub(crate) async fn wave(
    inputs: Vec<(Shelf, RecordStream)>,
    node: &Node,
    what: &Wave,
    plan: &Plan,
    context: &Arc<StageContext>,
) -> Result<Ports, RunError> {
    let hold = on_disk(node, what, plan, context)?;
    context.database.shutdown.check(context.database.store.hold(&hold.buffer).await);
    let read = plan.readers(node.id, Port::Failed).next().is_some();
    // A record that a source failed to read has no content to repair.
    let sources: HashSet<Arc<str>> = plan
        .nodes
        .iter()
        .filter(|node| matches!(node.step, Step::Source(_)))
        .map(|node| Arc::clone(&node.name))
        .collect();
    let counted = Arc::clone(&hold.meter);
    let (pending, failures) = (Arc::clone(&hold.pending), Arc::clone(&hold.failures));
    let counting = Arc::clone(context);
    let route = move |shelf: Shelf, outcome: Outcome| match outcome {
        Ok(record) if shelf == Shelf::Ok => {
            counted.taken.add(1);
            counted.done.add(1);
            Routed::Held(shelf, record)
        }
        Ok(record) => {
            // It is read only by the query, and ends here.
            counting.meters.added.fetch_sub(1, Ordering::Relaxed);
            Routed::Held(shelf, record)
        }
        Err(failure) => {
            let unanswered = failure.kind == FailureKind::Unanswered;
            pending.fetch_add(u64::from(unanswered), Ordering::Relaxed);
            failures.fetch_add(u64::from(!unanswered), Ordering::Relaxed);
            // A record without an answer is pending: it continues in the next run, and is not repaired.
            match !read || unanswered || sources.contains(&failure.stage) {
                true => Routed::Aside(failure),
                false => Routed::Held(Shelf::Failed, failure.into_record()),
            }
        }
    };
    let shutdown = context.database.shutdown.clone();
    let inputs = inputs.into_iter().map(|(shelf, input)| input.map(move |outcome| (shelf, outcome)).boxed());
    Ok(barrier(merge(inputs.collect()), &hold, route, move || !shutdown.is_stopped()))
}

/// The ports of a wave closed by an earlier run.
pub(crate) async fn closed(
    node: &Node,
    what: &Wave,
    plan: &Plan,
    (since, counts): (i64, Closed),
    context: &Arc<StageContext>,
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
    // If this run is interrupted too, the next one finds the wave closed in this one.
    context.database.store.close_wave(context.database.run, &hold.buffer, carried, None).await?;
    hold.emit(counts, Some(since)).await;
    Ok(reopened(&hold, counts))
}

/// The buffer of a wave, in a plan that calls `server`.
pub(crate) fn buffer(node: &Node, what: &Wave, plan: &Plan, server: &str) -> WaveBuffer {
    let input = &node.input.schema;
    let output = match &what.set {
        Some(Set::Query(query)) => &query.output,
        _ => input,
    };
    let reader = plan.readers(node.id, Port::Failed).next();
    let failed = reader.map_or(input, |(reader, _)| &plan.node(reader).input.schema);
    let relations = match &what.set {
        Some(Set::Query(query)) => {
            query.relations.iter().map(|relation| Arc::clone(&relation.schema)).collect()
        }
        _ => Vec::new(),
    };
    WaveBuffer::new((&plan.name, server, &node.name), input, output, failed, relations)
}

fn on_disk(
    node: &Node,
    what: &Wave,
    plan: &Plan,
    context: &Arc<StageContext>,
) -> Result<Arc<OnDisk>, RunError> {
    let condition = |text: &str| {
        let of = RecordType { schema: Arc::new(plan::counts()), maps: Arc::new([]) };
        Expressions::new(&context.engine, &of, &[(text.to_owned(), LogicalType::Boolean)])
    };
    Ok(Arc::new(OnDisk {
        node: node.clone(),
        wave: what.clone(),
        buffer: buffer(node, what, plan, &context.database.server),
        stop_if: what.stop_if.as_deref().map(condition).transpose()?,
        plan: plan.fingerprint(node.id),
        pending: Arc::default(),
        failures: Arc::default(),
        meter: Arc::clone(context.meters.of(node.id)),
        context: Arc::clone(context),
    }))
}
