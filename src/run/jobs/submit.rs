//! Submit: records become lines of jobs, which are planned, then created.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, stream::BoxStream};
use tokio::time::sleep_until;

use crate::{
    mistral::Client,
    plan::Node,
    record::{Outcome, Record, weight},
    request::{error::WriteError, written::Written},
    run::{
        ask::single_flight::Joined,
        jobs::{
            context::JobContext,
            create,
            place::{Out, Over, Placed, Submitting},
            shared::{AGAIN, BatchStage, Batched, InFlightJob, JobStream},
        },
        progress::meter::Meter,
    },
    spec::BatchSpec,
    stage::{self, Bounds, RecordStream, chunk},
    task::{self, Fate},
};
/// The batch of records looked up in the ledger together.
const LOOK_UP: Bounds = Bounds { items: 256, weight: 2_000_000, wait: Duration::from_millis(20) };

/// Groups and records waiting downstream: few, because a group holds the lines of its job.
const AHEAD: usize = 2;

/// The jobs of a stream, and the records that need none.
pub(crate) fn submit(
    input: RecordStream,
    node: &Node,
    shared: &Arc<BatchStage>,
    meter: &Arc<Meter>,
    client: &Client,
    context: &Arc<JobContext>,
) -> JobStream {
    let (sender, receiver) = task::open(AHEAD);
    let submitting = Submitting {
        shared: Arc::clone(shared),
        batch: shared.model_map.ask.batch.unwrap_or(BatchSpec::DEFAULT),
        meter: Arc::clone(meter),
        context: Arc::clone(context),
        out: sender,
        unreachable_jobs: HashMap::new(),
        owned_jobs: HashSet::new(),
        groups: Vec::new(),
        client: client.clone(),
        recent: HashMap::new(),
        parking: Vec::new(),
        moving: Vec::new(),
    };
    let outs = receiver.into_stream(Fate::of(submitting.run(input, client.clone())));
    let (id, slots) = (node.id, shared.model_map.ask.concurrency.most());
    let (shared, meter, client, context) =
        (Arc::clone(shared), Arc::clone(meter), client.clone(), Arc::clone(context));
    stage::map(outs, slots, move |out| {
        let (shared, meter, client, context) =
            (Arc::clone(&shared), Arc::clone(&meter), client.clone(), Arc::clone(&context));
        async move {
            match out {
                Out::Done(batched) => batched,
                Out::Group(group) => create::create(*group, id, &shared, &meter, &client, &context).await,
            }
        }
    })
}

impl Submitting {
    async fn run(mut self, input: RecordStream, client: Client) {
        // If the receiver is gone, nothing more is needed.
        let _: Result<(), Over> = self.work(input, &client).await;
        self.out.end().await;
    }

    async fn work(&mut self, input: RecordStream, client: &Client) -> Result<(), Over> {
        let context = Arc::clone(&self.context);
        context
            .calls
            .database
            .shutdown
            .check(
                context
                    .calls
                    .database
                    .store
                    .clear_parked(&self.shared.stage, &self.shared.model_map.input_schema)
                    .await,
            )
            .ok_or(Over)?;
        let recovered = create::recover(&self.shared, client, &context).await.ok_or(Over)?;
        self.unreachable_jobs = recovered.unreachable_jobs;
        for job in recovered.open {
            self.owned_jobs.insert(job.token.clone());
            self.send(Out::Done(Batched::Job(Box::new(InFlightJob { job, pending: None })))).await?;
        }
        let mut input: BoxStream<'static, Vec<Outcome>> = chunk(input, LOOK_UP, weight);
        let stopped = context.calls.database.shutdown.token();
        let shared = Arc::clone(&self.shared);
        let mut ended = false;
        loop {
            let deadline = self.groups.iter().map(|group| group.deadline).min();
            let due = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                // Records not yet in a job are pending. The stages above finish what is in flight while they are read.
                () = stopped.cancelled() => {
                    while !ended && input.next().await.is_some() {}
                    return Err(Over);
                }
                () = shared.changed() => {}
                batch = input.next(), if !ended => match batch {
                    Some(batch) => self.take(batch).await?,
                    None => ended = true,
                },
                () = due => self.flush_due().await?,
            }
            if shared.take_again() > 0 {
                self.again().await?;
            }
            let waiting: u64 = self.groups.iter().map(|group| group.job.requests).sum();
            // Nothing more will join the groups: they contain all remaining records.
            if ended
                && waiting > 0
                && self.groups.iter().map(|group| group.records).sum::<u64>() >= shared.inside()
            {
                while !self.groups.is_empty() {
                    self.flush(0).await?;
                }
            } else if ended && waiting == 0 && shared.inside() == 0 {
                return Ok(());
            }
        }
    }

    async fn take(&mut self, batch: Vec<Outcome>) -> Result<(), Over> {
        let mut asks: Vec<(Record, Written)> = Vec::with_capacity(batch.len());
        let shared = Arc::clone(&self.shared);
        for outcome in batch {
            let record = match outcome {
                Ok(record) => record,
                failure => {
                    self.give(failure).await?;
                    continue;
                }
            };
            self.meter.taken.add(1);
            let written = match shared.model_map.when.holds(&record) {
                Ok(true) => shared.model_map.write(&record).await,
                Ok(false) => {
                    self.meter.done.add(1);
                    self.give(record.unrepaired()).await?;
                    continue;
                }
                Err(error) => Err(WriteError::Expression(error)),
            };
            match written {
                Ok(written) => asks.push((record, written)),
                Err(error) => {
                    self.meter.failed.add(1);
                    self.give(Err(shared.model_map.unwritten(record, &error))).await?;
                }
            }
        }
        let mut claims = HashMap::new();
        let (mine, elsewhere) = asks.into_iter().partition::<Vec<_>, _>(|(_, written)| {
            match self.context.calls.in_flight.join(written.id) {
                Joined::Leader(claim) => claims.insert(written.id, claim).is_none(),
                Joined::Follower(_) => claims.contains_key(&written.id) || self.entry(written.id).is_some(),
            }
        });
        for (record, _) in elsewhere {
            let reason = "another stage has the same request in flight; the next run uses its answer";
            self.fail(record, reason.to_owned(), None).await?;
        }
        let known = self.look(mine.iter().flat_map(|(_, written)| written.ids()).collect()).await;
        for (record, mut written) in mine {
            let claimed = written.id;
            let history = self.history(&mut written, &known);
            match self.place(record, &written, &history, None, None).await? {
                Placed::Known => {
                    self.meter.reused.add(1);
                    self.meter.done.add(1);
                }
                Placed::Waits => self.meter.done.add(1),
                Placed::Failed => {}
            }
            // Held until the ledger has the request: without a claim, it is found there.
            let group = self.groups.iter_mut().find(|group| group.placed.contains_key(&written.id));
            if let Some((group, claim)) = group.zip(claims.remove(&claimed)) {
                group.claims.push(claim);
            }
        }
        self.park().await
    }

    /// Processes the records that need another request.
    async fn again(&mut self) -> Result<(), Over> {
        loop {
            let page = self
                .context
                .calls
                .database
                .store
                .parked(&self.shared.stage, &self.shared.model_map.input_schema, AGAIN, 0, LOOK_UP.items)
                .await;
            let page = self.context.calls.database.shutdown.check(page).ok_or(Over)?;
            if page.is_empty() {
                return Ok(());
            }
            let known = self.look(page.iter().filter_map(|parked| parked.request).collect()).await;
            for parked in page {
                let mut written = match self.shared.model_map.write(&parked.record).await {
                    Ok(written) => written,
                    Err(error) => {
                        self.fail(parked.record, error.to_string(), Some(parked.place)).await?;
                        continue;
                    }
                };
                let history = self.history(&mut written, &known);
                self.place(parked.record, &written, &history, Some(parked.until), Some(parked.place)).await?;
            }
            self.park().await?;
        }
    }

    /// Flushes the groups whose waiting time has passed.
    async fn flush_due(&mut self) -> Result<(), Over> {
        let now = tokio::time::Instant::now();
        while let Some(at) = self.groups.iter().position(|group| group.deadline <= now) {
            self.flush(at).await?;
        }
        Ok(())
    }
}
