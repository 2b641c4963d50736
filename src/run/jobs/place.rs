//! Assigns a record: it is answered, waits for an existing job, or becomes a line of the next one. Main type:
//! [`Submitting`], driven by `submit`.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::{
    ledger::{Entry, History, JobStep, RequestId},
    mistral::Client,
    record::{FailureKind, Outcome, Record},
    request::{
        error::WriteError,
        verdict::NextAction,
        written::{Sending, Written},
    },
    run::{
        jobs::{
            context::JobContext,
            group::{Group, line},
            shared::{BatchStage, Batched},
        },
        progress::meter::Meter,
    },
    spec::BatchSpec,
    store::{Batch, Parked},
    task::Feed,
};
/// The most jobs assembled at once, each for another model; the oldest is sent to make room.
const MOST_GROUPS: usize = 8;

/// Why a record of a job is pending that this run has given up.
const UNCOLLECTED: &str = "its batch job could not be collected; the next run tries again";

/// The output of the loop: a planned group that is not sent yet, or a finished item.
pub(crate) enum Out {
    Group(Box<Group>),
    Done(Batched),
}

/// The state of a submitting stage.
pub(crate) struct Submitting {
    pub(crate) shared: Arc<BatchStage>,
    pub(crate) batch: BatchSpec,
    pub(crate) meter: Arc<Meter>,
    pub(crate) context: Arc<JobContext>,
    pub(crate) out: Feed<Out>,
    /// Jobs that this run cannot reach, and why.
    pub(crate) unreachable_jobs: HashMap<String, String>,
    /// Jobs whose records this stage emits: resumed ones and its own.
    pub(crate) owned_jobs: HashSet<String>,
    /// The jobs being assembled, one per model, the oldest first.
    pub(crate) groups: Vec<Group>,
    pub(crate) client: Client,
    /// Requests of groups planned since the last ledger lookup, which therefore did not find them.
    pub(crate) recent: HashMap<RequestId, Entry>,
    /// Records to be parked at the next commit.
    pub(crate) parking: Vec<(String, Parked)>,
    /// Parked records to be moved to another job.
    pub(crate) moving: Vec<(i64, String)>,
}

/// The run is over, and the loop ends.
pub(crate) struct Over;

/// The result of assigning a record.
pub(crate) enum Placed {
    /// The ledger has its answer.
    Known,
    /// It waits for a job.
    Waits,
    /// It has failed and is counted.
    Failed,
}

impl Submitting {
    /// Assigns a record. `parked` is its place if it is already parked.
    pub(crate) async fn place(
        &mut self,
        record: Record,
        written: &Written,
        history: &History,
        until: Option<u32>,
        parked: Option<i64>,
    ) -> Result<Placed, Over> {
        let shared = Arc::clone(&self.shared);
        let context = Arc::clone(&self.context);
        match shared.model_map.judge.next_action(&record, history, until, context.calls.retry_failed) {
            NextAction::Resolution(settled) => {
                self.release(parked).await?;
                self.give(shared.model_map.judge.outcome(record, settled)).await?;
                Ok(Placed::Known)
            }
            NextAction::Placed(token) if self.unreachable_jobs.contains_key(&token) => {
                let reason = self.unreachable_jobs.get(&token).cloned().unwrap_or_default();
                self.fail(record, reason, parked).await
            }
            NextAction::Placed(token)
                if !self.owned_jobs.contains(&token)
                    && self.groups.iter().all(|group| group.job.token != token) =>
            {
                let reason =
                    "its request is in the batch job of another stage, pending until that stage collects it";
                self.fail(record, reason.to_owned(), parked).await
            }
            NextAction::Placed(token) => {
                let left = shared.model_map.ask.attempts.saturating_sub(history.refusals() + 1);
                let until = until.unwrap_or(history.next_attempt() - 1 + left);
                let in_group = self.groups.iter().any(|group| group.job.token == token);
                // The records of another job may be emitted at this moment; a record that comes too late is
                // detected when it is parked.
                let parked = if in_group { parked } else { self.release(parked).await? };
                self.push(token, record, written.id, until, parked);
                Ok(Placed::Waits)
            }
            NextAction::Ask { until } => {
                if let Err(reason) = context.calls.may_call(&shared.model_map.stage) {
                    return self.fail(record, reason, parked).await;
                }
                match context.calls.preflight.may_be_sent(&self.client, &shared.model_map, written).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return self.unwritten(record, &error, parked).await,
                    Err(error) => {
                        context.calls.database.shutdown.fail(error);
                        return Err(Over);
                    }
                }
                let last = history.entries.last();
                if let Some(entry) = last.and_then(|last| shared.model_map.judge.revalidated(&record, last))
                    && !context.calls.database.commit(vec![entry]).await
                {
                    return Err(Over);
                }
                let sending = match shared.model_map.sending(&record, written, history).await {
                    Ok(sending) => sending,
                    Err(error) => return self.unwritten(record, &error, parked).await,
                };
                let token = self.line(&record, written, &sending, history).await?;
                self.push(token, record, written.id, until, parked);
                Ok(Placed::Waits)
            }
        }
    }

    /// Fails a record for which no request can be written.
    async fn unwritten(
        &mut self,
        record: Record,
        error: &WriteError,
        parked: Option<i64>,
    ) -> Result<Placed, Over> {
        self.release(parked).await?;
        self.meter.failed.add(1);
        self.give(Err(self.shared.model_map.unwritten(record, error))).await?;
        Ok(Placed::Failed)
    }

    pub(crate) async fn fail(
        &mut self,
        record: Record,
        reason: String,
        parked: Option<i64>,
    ) -> Result<Placed, Over> {
        self.release(parked).await?;
        self.meter.failed.add(1);
        self.give(Err(self.shared.model_map.failure(record, FailureKind::Unanswered, reason, 0))).await?;
        Ok(Placed::Failed)
    }

    /// Ends the parking of a record, which then has no place.
    async fn release(&mut self, parked: Option<i64>) -> Result<Option<i64>, Over> {
        if let Some(place) = parked {
            let moved = self
                .context
                .calls
                .database
                .store
                .repark(&self.shared.stage, vec![(place, "done".to_owned())])
                .await;
            self.context.calls.database.shutdown.check(moved).ok_or(Over)?;
            self.shared.leave(1);
        }
        Ok(None)
    }

    fn push(&mut self, token: String, record: Record, request: RequestId, until: u32, parked: Option<i64>) {
        if let Some(group) = self.groups.iter_mut().find(|group| group.job.token == token) {
            group.records += 1;
        }
        match parked {
            Some(place) => self.moving.push((place, token)),
            None => {
                let place = self.shared.next_place();
                self.parking.push((token, Parked { place, request: Some(request), until, record }));
            }
        }
    }

    /// Parks records durably. Those whose job has emitted its records meanwhile are looked up again: their
    /// answers are in the ledger now.
    pub(crate) async fn park(&mut self) -> Result<(), Over> {
        loop {
            let (records, moves) = (std::mem::take(&mut self.parking), std::mem::take(&mut self.moving));
            if records.is_empty() && moves.is_empty() {
                return Ok(());
            }
            let (stage, store) = (&self.shared.stage, &self.context.calls.database.store);
            let late = self
                .context
                .calls
                .database
                .shutdown
                .check(store.park(stage, &self.shared.model_map.input_schema, records).await)
                .ok_or(Over)?;
            self.context.calls.database.shutdown.check(store.repark(stage, moves).await).ok_or(Over)?;
            for (token, Parked { until, record, .. }) in late {
                self.shared.leave(1);
                let mut written = match self.shared.model_map.write(&record).await {
                    Ok(written) => written,
                    Err(error) => {
                        self.fail(record, error.to_string(), None).await?;
                        continue;
                    }
                };
                let known = self.look(written.ids().collect()).await;
                let history = self.history(&mut written, &known);
                let retry = self.context.calls.retry_failed;
                let next = self.shared.model_map.judge.next_action(&record, &history, Some(until), retry);
                // The job emitted its records without having been collected: parked again, this one would come too
                // late again.
                if matches!(&next, NextAction::Placed(job) if *job == token) {
                    self.fail(record, UNCOLLECTED.to_owned(), None).await?;
                    continue;
                }
                Box::pin(self.place(record, &written, &history, Some(until), None)).await?;
            }
        }
    }

    /// Adds a line to the group of its model, starting a new group if there is none or it is full; returns the
    /// group's token.
    pub(crate) async fn line(
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
        // Each group holds the lines of its job.
        if self.groups.len() >= MOST_GROUPS && !self.groups.iter().any(is_of) {
            self.flush(0).await?;
        }
        let at = match self.groups.iter().position(is_of) {
            Some(at) => at,
            None => {
                self.groups.push(Group::new(&self.shared, &self.context, &written.model, self.batch.wait));
                self.groups.len() - 1
            }
        };
        Ok(self.groups[at].add(record, written, (&line, sending.cost), history, &self.shared))
    }

    /// Records a group as planned, and passes it on to be created.
    pub(crate) async fn flush(&mut self, at: usize) -> Result<(), Over> {
        // A record that came too late for another job may join this group or start the next one.
        self.park().await?;
        if at >= self.groups.len() {
            return Ok(());
        }
        let mut group = self.groups.remove(at);
        let reserved = self.context.calls.reserve(crate::units::Usd::from_micros(group.cost)).ok_or(Over)?;
        self.shared.keep(&group.job.token, reserved);
        let batch = Batch { entries: group.placed.values().cloned().collect(), ..Batch::default() };
        if !self.context.calls.database.job_step(&mut group.job, JobStep::Planned, batch).await {
            return Err(Over);
        }
        self.owned_jobs.insert(group.job.token.clone());
        self.recent.extend(group.placed.drain());
        group.claims.clear();
        self.send(Out::Group(Box::new(group))).await
    }

    /// Looks into the ledger, which by now has everything recorded before.
    pub(crate) async fn look(&mut self, requests: Vec<RequestId>) -> HashMap<RequestId, History> {
        self.recent.clear();
        self.context.calls.database.known(requests).await
    }

    /// The step of a request that the last lookup could not find yet.
    pub(crate) fn entry(&self, request: RequestId) -> Option<&Entry> {
        let group = self.groups.iter().find_map(|group| group.placed.get(&request));
        group.or_else(|| self.recent.get(&request))
    }

    /// The history of a request from the last lookup, plus later steps.
    pub(crate) fn history(&self, written: &mut Written, known: &HashMap<RequestId, History>) -> History {
        let none = || History::new(self.context.calls.database.generation());
        let mut history = written.history_in(known).unwrap_or_else(none);
        history.entries.extend(self.entry(written.id).cloned());
        history
    }

    pub(crate) async fn send(&self, out: Out) -> Result<(), Over> {
        self.out.send(out).await.map_err(|_| Over)
    }

    pub(crate) async fn give(&self, outcome: Outcome) -> Result<(), Over> {
        self.send(Out::Done(Batched::Record(outcome))).await
    }
}
