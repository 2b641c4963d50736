//! Submit: records become the lines of jobs, jobs are written down, then created.

mod place;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, stream::BoxStream};
use tokio::time::sleep_until;

use crate::{
    ledger::{Entry, History, JobStep, RequestId},
    mistral::Client,
    plan::Node,
    record::{Outcome, Record, weight},
    request::{
        error::WriteError,
        written::{Sending, Written},
    },
    run::{
        ask::claims::Claimed,
        context::Context,
        jobs::{
            create,
            group::{Group, line},
            shared::{AGAIN, Batched, Desk, JobStream, Underway},
        },
        progress::meter::Meter,
    },
    spec::BatchSpec,
    stage::{self, Bounds, RecordStream, chunk},
    store::{Batch, Parked},
    task::{self, Fate, Feed},
};

use place::Placed;

/// Records that are looked up in the ledger together.
const LOOK_UP: Bounds = Bounds { items: 256, weight: 2_000_000, wait: Duration::from_millis(20) };

/// Jobs that are put together at once, each for another model; the oldest is sent to make room for a ninth.
const MOST_GROUPS: usize = 8;

/// Groups and records on their way out: few, because a group holds the lines of its job.
const AHEAD: usize = 2;

/// What leaves the loop: a group that is written down and not yet sent, or something that is done with.
pub(crate) enum Out {
    Group(Box<Group>),
    Done(Batched),
}

/// The jobs of a stream, and the records that need none.
pub(crate) fn submit(
    input: RecordStream,
    node: &Node,
    desk: &Arc<Desk>,
    meter: &Arc<Meter>,
    client: &Client,
    context: &Arc<Context>,
) -> JobStream {
    let (sender, receiver) = task::open(AHEAD);
    let submitting = Submitting {
        desk: Arc::clone(desk),
        batch: desk.question.ask.batch.unwrap_or(BatchSpec::DEFAULT),
        meter: Arc::clone(meter),
        context: Arc::clone(context),
        out: sender,
        apart: HashMap::new(),
        own: HashSet::new(),
        groups: Vec::new(),
        client: client.clone(),
        recent: HashMap::new(),
        parking: Vec::new(),
        moving: Vec::new(),
    };
    let outs = receiver.into_stream(Fate::of(submitting.run(input, client.clone())));
    let (id, slots) = (node.id, desk.question.ask.concurrency.most());
    let (desk, meter, client, context) =
        (Arc::clone(desk), Arc::clone(meter), client.clone(), Arc::clone(context));
    stage::map(outs, slots, move |out| {
        let (desk, meter, client, context) =
            (Arc::clone(&desk), Arc::clone(&meter), client.clone(), Arc::clone(&context));
        async move {
            match out {
                Out::Done(batched) => batched,
                Out::Group(group) => create::create(*group, id, &desk, &meter, &client, &context).await,
            }
        }
    })
}

struct Submitting {
    desk: Arc<Desk>,
    batch: BatchSpec,
    meter: Arc<Meter>,
    context: Arc<Context>,
    out: Feed<Out>,
    /// Jobs that are out of this run's reach, and why.
    apart: HashMap<String, String>,
    /// Jobs whose records this stage gives on: those of earlier runs that go on, and its own.
    own: HashSet<String>,
    /// The jobs that are being put together, one for each model, the oldest first.
    groups: Vec<Group>,
    client: Client,
    /// Requests of groups that were written down since the last look into the ledger, which did not have
    /// them then.
    recent: HashMap<RequestId, Entry>,
    /// Records that are to be parked with the next look.
    parking: Vec<(String, Parked)>,
    /// Records that are parked, and are to be with another job.
    moving: Vec<(i64, String)>,
}

/// The run is over, and so is the loop.
struct Over;

impl Submitting {
    async fn run(mut self, input: RecordStream, client: Client) {
        // Whoever is not there any more wants no more.
        let _: Result<(), Over> = self.work(input, &client).await;
        self.out.end().await;
    }

    async fn work(&mut self, input: RecordStream, client: &Client) -> Result<(), Over> {
        let context = Arc::clone(&self.context);
        context
            .halt
            .check(context.store.clear_parked(&self.desk.stage, &self.desk.question.input_schema).await)
            .ok_or(Over)?;
        let recovered = create::recover(&self.desk, client, &context).await.ok_or(Over)?;
        self.apart = recovered.apart;
        for job in recovered.open {
            self.own.insert(job.token.clone());
            self.send(Out::Done(Batched::Job(Box::new(Underway { job, pending: None })))).await?;
        }
        let mut input: BoxStream<'static, Vec<Outcome>> = chunk(input, LOOK_UP, weight);
        let stopped = context.halt.token();
        let desk = Arc::clone(&self.desk);
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
                // What is not in a job yet is pending.
                () = stopped.cancelled() => return Err(Over),
                () = desk.changed() => {}
                batch = input.next(), if !ended => match batch {
                    Some(batch) => self.take(batch).await?,
                    None => ended = true,
                },
                () = due => self.flush_due().await?,
            }
            if desk.take_again() > 0 {
                self.again().await?;
            }
            let waiting: u64 = self.groups.iter().map(|group| group.job.requests).sum();
            // Nothing will join the groups any more: all that is inside is in them.
            if ended
                && waiting > 0
                && self.groups.iter().map(|group| group.records).sum::<u64>() >= desk.inside()
            {
                while !self.groups.is_empty() {
                    self.flush(0).await?;
                }
            } else if ended && waiting == 0 && desk.inside() == 0 {
                return Ok(());
            }
        }
    }

    async fn send(&self, out: Out) -> Result<(), Over> {
        self.out.send(out).await.map_err(|_| Over)
    }

    async fn give(&self, outcome: Outcome) -> Result<(), Over> {
        self.send(Out::Done(Batched::Record(outcome))).await
    }

    async fn take(&mut self, batch: Vec<Outcome>) -> Result<(), Over> {
        let mut asks: Vec<(Record, Written)> = Vec::with_capacity(batch.len());
        let desk = Arc::clone(&self.desk);
        for outcome in batch {
            let record = match outcome {
                Ok(record) => record,
                failure => {
                    self.give(failure).await?;
                    continue;
                }
            };
            self.meter.taken.add(1);
            let written = match desk.question.when.holds(&record) {
                Ok(true) => desk.question.write(&record).await,
                Ok(false) => {
                    self.meter.done.add(1);
                    self.give(Ok(record)).await?;
                    continue;
                }
                Err(error) => Err(WriteError::Expression(error)),
            };
            match written {
                Ok(written) => asks.push((record, written)),
                Err(error) => {
                    self.meter.failed.add(1);
                    self.give(Err(desk.question.unwritten(record, &error))).await?;
                }
            }
        }
        let mut claims = HashMap::new();
        let (mine, elsewhere) = asks.into_iter().partition::<Vec<_>, _>(|(_, written)| {
            match self.context.claims.claim(written.id) {
                Claimed::Ours(claim) => claims.insert(written.id, claim).is_none(),
                Claimed::Theirs(_) => claims.contains_key(&written.id) || self.entry(written.id).is_some(),
            }
        });
        for (record, _) in elsewhere {
            let reason = "another stage asks the same at this moment; the next run takes its answer";
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
            // Held until the ledger has the request: whoever finds no claim finds it there.
            let group = self.groups.iter_mut().find(|group| group.placed.contains_key(&written.id));
            if let Some((group, claim)) = group.zip(claims.remove(&claimed)) {
                group.claims.push(claim);
            }
        }
        self.park().await
    }

    /// Looks into the ledger; from here on it knows what was written down before.
    async fn look(&mut self, requests: Vec<RequestId>) -> HashMap<RequestId, History> {
        self.recent.clear();
        self.context.known(requests).await
    }

    /// The step of a request that the last look could not find.
    fn entry(&self, request: RequestId) -> Option<&Entry> {
        let group = self.groups.iter().find_map(|group| group.placed.get(&request));
        group.or_else(|| self.recent.get(&request))
    }

    /// What the last look has found of a request, and what has happened since.
    fn history(&self, written: &mut Written, known: &HashMap<RequestId, History>) -> History {
        let none = || History::new(self.context.generation());
        let mut history = written.recalled(known).unwrap_or_else(none);
        history.entries.extend(self.entry(written.id).cloned());
        history
    }

    /// Takes the records that are to be asked again.
    async fn again(&mut self) -> Result<(), Over> {
        loop {
            let page = self
                .context
                .store
                .parked(&self.desk.stage, &self.desk.question.input_schema, AGAIN, 0, LOOK_UP.items)
                .await;
            let page = self.context.halt.check(page).ok_or(Over)?;
            if page.is_empty() {
                return Ok(());
            }
            let known = self.look(page.iter().filter_map(|parked| parked.request).collect()).await;
            for parked in page {
                let mut written = match self.desk.question.write(&parked.record).await {
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

    /// Adds a line to the group of its model, which begins with it or is given on before it; gives the group's
    /// token.
    async fn line(
        &mut self,
        record: &Record,
        written: &Written,
        sending: &Sending,
        history: &History,
    ) -> Result<String, Over> {
        let line = line(written.id, &sending.body);
        let is_of = |group: &Group| group.job.model == *written.model;
        if let Some(at) =
            self.groups.iter().position(|group| is_of(group) && group.is_full(&line, &self.batch))
        {
            self.flush(at).await?;
        }
        // Each holds the lines of its job.
        if self.groups.len() >= MOST_GROUPS && !self.groups.iter().any(is_of) {
            self.flush(0).await?;
        }
        let at = match self.groups.iter().position(is_of) {
            Some(at) => at,
            None => {
                self.groups.push(Group::new(&self.desk, &self.context, &written.model, self.batch.wait));
                self.groups.len() - 1
            }
        };
        Ok(self.groups[at].add(record, written, (&line, sending.cost), history, &self.desk))
    }

    /// Gives on the groups that have waited long enough.
    async fn flush_due(&mut self) -> Result<(), Over> {
        let now = tokio::time::Instant::now();
        while let Some(at) = self.groups.iter().position(|group| group.deadline <= now) {
            self.flush(at).await?;
        }
        Ok(())
    }

    /// Writes a group down, and gives it on to be created.
    async fn flush(&mut self, at: usize) -> Result<(), Over> {
        // A record that was too late for another job may join the group, or begin one behind it.
        self.park().await?;
        if at >= self.groups.len() {
            return Ok(());
        }
        let mut group = self.groups.remove(at);
        let reserved = self.context.reserve(crate::units::Usd::from_micros(group.cost)).ok_or(Over)?;
        self.desk.keep(&group.job.token, reserved);
        let batch = Batch { entries: group.placed.values().cloned().collect(), ..Batch::default() };
        if !self.context.job_step(&mut group.job, JobStep::Planned, batch).await {
            return Err(Over);
        }
        self.own.insert(group.job.token.clone());
        self.recent.extend(group.placed.drain());
        group.claims.clear();
        self.send(Out::Group(Box::new(group))).await
    }
}
