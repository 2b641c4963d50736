//! Plan to streams: connects each stage to its inputs.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, atomic::Ordering},
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};

use crate::{
    expressions::When,
    mistral::Client,
    plan::{Node, NodeId, Paces, Plan, Port, Set, Step, Throttle, Wave},
    record::{FailureKind, Outcome, Schema},
    request::model_map::ModelMap,
    run::{
        ask::{lookup::Lookups, send},
        context::Context,
        drive::resume::Resumed,
        error::RunError,
        jobs::{
            collect, poll,
            shared::{BatchStage, Batched, JobStream},
            submit,
        },
        progress::counted::paced,
        stages::{
            gather::{self, PARENTS_AHEAD, Parent},
            sink, source, transform, wave,
        },
    },
    stage::{Pacer, Ports, Reader, RecordStream, Shelf, merge, share, throttle, until_stopped},
    task::{self, Fate, Feed},
};

/// The futures that drive a run: each drains a stream.
pub(crate) type Drivers = Vec<BoxFuture<'static, Result<(), RunError>>>;

/// Streams not yet connected to their readers, while the graph is being built.
struct Wiring<'a> {
    plan: &'a Plan,
    context: &'a Context,
    client: Option<&'a Client>,
    /// By reader and input index.
    edges: HashMap<(NodeId, usize), RecordStream>,
    /// From submitting to collecting stages, by the last stage that read them.
    jobs: HashMap<NodeId, JobStream>,
    /// Shared state of each pair, by the submitting stage.
    batch_stages: HashMap<NodeId, Arc<BatchStage>>,
    /// From a ledger lookup to the calling stage, by that stage.
    lookups: HashMap<NodeId, Lookups>,
    pacers: HashMap<Arc<str>, Arc<Mutex<Pacer>>>,
    /// From a split to its gather, by that gather.
    parents: HashMap<NodeId, BoxStream<'static, Parent>>,
    drivers: Drivers,
}

/// Builds the streams of a plan. Nothing is read before the drivers are polled.
pub(crate) async fn wire(
    plan: &Plan,
    context: &Context,
    client: Option<&Client>,
    resumed: &Resumed,
) -> Result<Drivers, RunError> {
    let mut wiring = Wiring {
        plan,
        context,
        client,
        edges: HashMap::new(),
        jobs: HashMap::new(),
        batch_stages: HashMap::new(),
        lookups: HashMap::new(),
        pacers: HashMap::new(),
        parents: HashMap::new(),
        drivers: Vec::new(),
    };
    for node in &plan.nodes {
        if resumed.done.contains(&node.id) {
            context.events.stage_ended(node.id).await;
            continue;
        }
        match (&node.step, resumed.waves.get(&node.id)) {
            (Step::Wave(wave), Some(closed)) => {
                let ports = wave::closed(node, wave, plan, *closed, &context.stages).await?;
                wiring.open(node, ports);
            }
            _ => wiring.node(node).await?,
        }
    }
    Ok(wiring.drivers)
}

impl Wiring<'_> {
    async fn node(&mut self, node: &Node) -> Result<(), RunError> {
        let context = self.context;
        let meter = context.meters.of(node.id);
        let stream = match &node.step {
            Step::Source(from) => source::source(node, from, &context.stages).await,
            Step::Lookup(asking) => {
                let asks = self.plan.node(*asking);
                let (Step::Ask(ask) | Step::Submit(ask)) = &asks.step else { return Ok(()) };
                let model_map = Arc::new(ModelMap::new(asks, ask, &context.setup())?);
                let meter = context.meters.of(*asking);
                let lookups = Lookups::of(self.input(node), model_map, meter, &context.calls);
                self.lookups.insert(*asking, lookups);
                return Ok(());
            }
            Step::Throttle(pace) => {
                let (pacer, stop) = (self.pacer(pace), context.shutdown.token());
                match pace.paces {
                    Paces::Lookups(asking) => {
                        if let Some(lookups) = self.lookups.remove(&asking) {
                            self.lookups.insert(asking, lookups.paced(pacer, meter, stop));
                        }
                        return Ok(());
                    }
                    Paces::Jobs => {
                        let Some(jobs) = self.jobs_of(node) else { return Ok(()) };
                        let free = |batched: &Batched| matches!(batched, Batched::Record(_));
                        self.jobs.insert(node.id, throttle(jobs, pacer, free, paced(meter), stop));
                        return Ok(());
                    }
                    Paces::Records => {}
                }
                let (taken, counted) = (Arc::clone(meter), Arc::clone(meter));
                let input = self
                    .input(node)
                    .inspect(move |outcome| taken.taken.add(u64::from(outcome.is_ok())))
                    .boxed();
                let out = throttle(input, pacer, Outcome::is_err, paced(meter), stop.clone());
                let out = out.inspect(move |outcome| counted.done.add(u64::from(outcome.is_ok())));
                // Records that wait when the run is stopped are pending.
                until_stopped(out.boxed(), stop)
            }
            Step::Ask(_) => {
                let (Some(lookups), Some(client)) = (self.lookups.remove(&node.id), self.client) else {
                    return Ok(());
                };
                send::ask(lookups, Arc::clone(meter), client.clone(), Arc::clone(&context.calls))
            }
            Step::Submit(asks) => {
                let Some(client) = self.client else { return Ok(()) };
                // Failures and answers are reported under the name of the collecting stage.
                let collects = |other: &&Node| matches!(other.step, Step::Collect(id) if id == node.id);
                let named = self.plan.nodes.iter().find(collects).unwrap_or(node);
                let asking = Node { name: Arc::clone(&named.name), ..node.clone() };
                let model_map = ModelMap::new(&asking, asks, &context.setup())?;
                let shared = Arc::new(BatchStage::new(Arc::clone(&node.name), model_map));
                let input = match self.lookups.remove(&node.id) {
                    Some(lookups) => lookups.into_records(),
                    None => self.input(node),
                };
                self.jobs.insert(node.id, submit::submit(input, node, &shared, meter, client, &context.jobs));
                self.batch_stages.insert(node.id, shared);
                return Ok(());
            }
            Step::Poll(how) => {
                let (Some(jobs), Some(client)) = (self.jobs_of(node), self.client) else { return Ok(()) };
                let until = When::new(&context.stages.engine, &node.input, how.until.as_deref())?;
                self.jobs.insert(node.id, poll::poll(jobs, node, (how, until), meter, client, &context.jobs));
                return Ok(());
            }
            Step::Collect(submits) => {
                let (Some(jobs), Some(client)) = (self.jobs_of(node), self.client) else { return Ok(()) };
                let Some(shared) = self.batch_stages.get(submits) else { return Ok(()) };
                collect::collect(jobs, shared, meter, client, &context.jobs)
            }
            Step::Fields(reshape) => transform::fields(self.input(node), node, reshape, &context.stages)?,
            Step::Filter(condition) => transform::filter(self.input(node), node, condition, &context.stages)?,
            Step::Split(split) => {
                let parents = self.parents_of(node);
                transform::split(self.input(node), node, split, parents, &context.stages)?
            }
            Step::Gather(gathers) => {
                let Some(parents) = self.parents.remove(&node.id) else { return Ok(()) };
                gather::gather(self.input(node), parents, node, gathers, &context.stages)
            }
            Step::Wave(wave) => {
                let inputs = self.shelves(node, wave);
                let ports = wave::wave(inputs, node, wave, self.plan, &context.stages).await?;
                self.open(node, ports);
                return Ok(());
            }
            Step::Sink(to) => {
                let driver =
                    sink::drive(self.input(node), node.clone(), to.clone(), Arc::clone(&context.stages));
                self.drivers.push(driver.boxed());
                return Ok(());
            }
        };
        self.distribute(node, stream);
        Ok(())
    }

    /// The job stream that a stage reads, if any.
    fn jobs_of(&mut self, node: &Node) -> Option<JobStream> {
        self.jobs.remove(&node.inputs.first()?.node)
    }

    /// All inputs of a stage, merged.
    fn input(&mut self, node: &Node) -> RecordStream {
        let inputs = (0..node.inputs.len()).filter_map(|at| self.edges.remove(&(node.id, at))).collect();
        conformed(merge(inputs), &node.input.schema)
    }

    /// Where a split announces its records, if it has a gather.
    fn parents_of(&mut self, split: &Node) -> Option<Feed<Parent>> {
        let undoes = |node: &&Node| matches!(&node.step, Step::Gather(gather) if gather.split == split.id);
        let gather = self.plan.nodes.iter().find(undoes)?;
        let (feed, parents) = task::open(PARENTS_AHEAD);
        self.parents.insert(gather.id, parents.into_stream(Fate::ended()));
        Some(feed)
    }

    /// All inputs of a wave: the records that it holds, and those read only by its query.
    fn shelves(&mut self, node: &Node, wave: &Wave) -> Vec<(Shelf, RecordStream)> {
        let relations = match &wave.set {
            Some(Set::Query(query)) => &query.relations[..],
            _ => &[],
        };
        let mut inputs = Vec::new();
        for (at, relation) in relations.iter().enumerate() {
            let stream = self.edges.remove(&(node.id, relation.input));
            inputs.extend(stream.map(|stream| (Shelf::Relation(at), conformed(stream, &relation.schema))));
        }
        inputs.push((Shelf::Ok, self.input(node)));
        inputs
    }

    fn pacer(&mut self, pace: &Throttle) -> Arc<Mutex<Pacer>> {
        let pacer = self.pacers.entry(Arc::clone(&pace.group));
        Arc::clone(pacer.or_insert_with(|| Arc::new(Mutex::new(Pacer::new(pace.rate, pace.burst)))))
    }

    fn open(&mut self, node: &Node, ports: Ports) {
        self.drivers.push(sink::keep_failures(ports.aside, Arc::clone(&self.context.stages)).boxed());
        self.copy(node, Port::Out, ports.ok);
        self.copy(node, Port::Failed, ports.failed);
    }

    /// Connects a stream to the readers of a port.
    fn copy(&mut self, node: &Node, port: Port, stream: RecordStream) {
        let readers: Vec<(NodeId, usize)> = self.plan.readers(node.id, port).collect();
        match readers[..] {
            [] => {}
            [reader] => drop(self.edges.insert(reader, stream)),
            _ => {
                let wanted = vec![Reader::Out; readers.len()];
                let streams = share(self.counted(stream, readers.len()), &wanted, |_| false);
                self.edges.extend(readers.into_iter().zip(streams));
            }
        }
    }

    /// Distributes a stage's outcomes to the readers of its ports. If nothing reads `failed`, failures stay with
    /// the records up to the next wave or sink.
    fn distribute(&mut self, node: &Node, stream: RecordStream) {
        let failed: Vec<(NodeId, usize)> = self.plan.readers(node.id, Port::Failed).collect();
        if failed.is_empty() {
            return self.copy(node, Port::Out, stream);
        }
        let out: Vec<(NodeId, usize)> = self.plan.readers(node.id, Port::Out).collect();
        let mut wanted = vec![Reader::Out; out.len()];
        wanted.extend(vec![Reader::Failed; failed.len()]);
        let stage = Arc::clone(&node.name);
        let leaves = move |outcome: &Outcome| {
            outcome
                .as_ref()
                .is_err_and(|failure| failure.stage == stage && failure.kind != FailureKind::Unanswered)
        };
        let (copies, failed_copies) = (out.len(), failed.len());
        let meters = Arc::clone(&self.context.meters);
        let leaving = leaves.clone();
        let counted = stream.inspect(move |outcome| {
            let readers = if leaving(outcome) {
                failed_copies
            } else if outcome.is_ok() {
                copies
            } else {
                1
            };
            meters.added.fetch_add(readers as i64 - 1, Ordering::Relaxed);
        });
        let streams = share(counted.boxed(), &wanted, leaves);
        self.edges.extend(out.into_iter().chain(failed).zip(streams));
    }

    /// Counts the copies of each record for several readers.
    fn counted(&self, stream: RecordStream, readers: usize) -> RecordStream {
        let meters = Arc::clone(&self.context.meters);
        let count = move |outcome: &Outcome| {
            if outcome.is_ok() {
                meters.added.fetch_add(readers as i64 - 1, Ordering::Relaxed);
            }
        };
        stream.inspect(count).boxed()
    }
}

/// Records with the fields that a stage reads; fields that an input lacks are NULL.
pub(crate) fn conformed(stream: RecordStream, schema: &Arc<Schema>) -> RecordStream {
    let schema = Arc::clone(schema);
    stream.map(move |outcome| outcome.map(|record| record.conformed(&schema))).boxed()
}
