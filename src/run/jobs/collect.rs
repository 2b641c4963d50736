//! Collect: stores the answers of a job in the ledger, then continues its records.

use std::{collections::HashMap, sync::Arc};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};

use crate::{
    fault_injection,
    ledger::{Entry, History, JobState, JobStep, RequestId, Step},
    mistral::{CallError, Client, ErrorAction, read_result, received},
    record::{FailureKind, Outcome},
    request::verdict::{NextAction, Resolution},
    run::{
        jobs::{
            context::JobContext,
            shared::{AGAIN, BatchStage, Batched, InFlightJob, JobStream, has_ended},
        },
        money::budget::Reserved,
        progress::{counted::count, meter::Meter},
    },
    stage::{self, RecordStream},
    store::{Batch, JobRecord, Parked},
    units::Usd,
};

/// The most jobs read at once: each holds its output.
const AT_ONCE: usize = 2;

/// Steps per commit.
const COMMIT: usize = 10_000;

/// Parked records per page.
const PAGE: usize = 256;

/// The records of ended jobs: answered, failed, or sent to be requested again.
pub(crate) fn collect(
    input: JobStream,
    shared: &Arc<BatchStage>,
    meter: &Arc<Meter>,
    client: &Client,
    context: &Arc<JobContext>,
) -> RecordStream {
    let (reading, client, counting) = (Arc::clone(shared), client.clone(), Arc::clone(meter));
    let running = Arc::clone(context);
    let read = stage::map(input, AT_ONCE, move |batched| {
        let (shared, client, meter) = (Arc::clone(&reading), client.clone(), Arc::clone(&counting));
        let context = Arc::clone(&running);
        async move {
            match batched {
                Batched::Record(outcome) => Some(Batched::Record(outcome)),
                Batched::Job(in_flight) => {
                    let read = read(*in_flight, &shared, &meter, &client, &context).await?;
                    Some(Batched::Job(Box::new(read)))
                }
            }
        }
    });
    let giving =
        Giving { shared: Arc::clone(shared), meter: Arc::clone(meter), context: Arc::clone(context) };
    let giving = Arc::new(giving);
    let records = read.filter_map(|read| async { read }).map(move |batched| match batched {
        Batched::Record(outcome) => {
            giving.count(&outcome);
            stream::iter([outcome]).boxed()
        }
        Batched::Job(in_flight) => Arc::clone(&giving).records(*in_flight),
    });
    records.flatten().boxed()
}

/// Reads the answers of a job into the ledger; `None` if the run cannot continue.
async fn read(
    mut in_flight: InFlightJob,
    shared: &BatchStage,
    meter: &Meter,
    client: &Client,
    context: &JobContext,
) -> Option<InFlightJob> {
    let mut reserved = shared.reserved(&in_flight.job.token);
    // A job that continues may still cost what was reserved for it.
    let token = in_flight.job.token.clone();
    let keep = |reserved: Option<Reserved>| reserved.into_iter().for_each(|kept| shared.keep(&token, kept));
    if in_flight.pending.is_some() {
        keep(reserved);
        return Some(in_flight);
    }
    if in_flight.job.state != JobState::Created {
        return Some(in_flight);
    }
    let job = &mut in_flight.job;
    let mut placed =
        context.calls.database.shutdown.check(context.calls.database.store.placed(&job.token).await)?;
    let mut cost = 0;
    // Both files, whatever the status: a cancelled or failed job may have answers.
    let files = [job.output_file.clone(), job.error_file.clone()];
    for file in files.into_iter().flatten() {
        let lines = match client.download(&file).await {
            Ok(lines) => lines,
            Err(CallError::Stop(cause)) => {
                context.calls.database.shutdown.fail(cause);
                return None;
            }
            Err(CallError::Stopped) => return None,
            Err(error) => {
                let id = job.job.as_deref().unwrap_or_default();
                in_flight.pending = Some(format!("the answers of batch job {id} cannot be fetched: {error}"));
                keep(reserved);
                return Some(in_flight);
            }
        };
        fault_injection::point("downloaded");
        let mut entries = Vec::new();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            if let Some(entry) = entry(line, &mut placed, shared) {
                cost += entry.step.answer().and_then(|answer| answer.cost).unwrap_or_default().micros();
                count(meter, &entry.step);
                entries.push(entry);
            }
            if entries.len() >= COMMIT && !context.calls.database.commit(std::mem::take(&mut entries)).await {
                return None;
            }
        }
        if !entries.is_empty() && !context.calls.database.commit(entries).await {
            return None;
        }
    }
    let (cost, ended) = (Usd::from_micros(cost), has_ended(job));
    match &mut reserved {
        Some(_) if ended => reserved.take().into_iter().for_each(|reserved| reserved.settle(cost)),
        Some(reserved) => reserved.settle_part(cost),
        None => context.calls.budget.spend(cost),
    }
    if !ended {
        keep(reserved);
        let id = job.job.as_deref().unwrap_or_default();
        in_flight.pending = Some(format!("batch job {id} has not ended; the next run collects it"));
        return Some(in_flight);
    }
    let missing =
        format!("the job ended ({}) without a line for it", job.status.as_deref().unwrap_or_default());
    let entries = placed.into_values().map(|entry| Entry { step: Step::Missing(missing.clone()), ..entry });
    let batch = Batch { entries: entries.collect(), ..Batch::default() };
    context.calls.database.job_step(job, JobStep::Collected, batch).await.then_some(())?;
    fault_injection::point("collected");
    Some(in_flight)
}

/// The step for a line of a result file; `None` if its request is not placed, or no longer.
fn entry(line: &[u8], placed: &mut HashMap<RequestId, Entry>, shared: &BatchStage) -> Option<Entry> {
    let line = String::from_utf8_lossy(line);
    let row = match read_result(line.trim_start_matches('\u{feff}')) {
        Ok(row) => row,
        Err(why) => {
            tracing::warn!("a line of a result file {why}, and is skipped");
            return None;
        }
    };
    let entry = placed.remove(&RequestId::parse(&row.custom_id)?)?;
    let model_map = &shared.model_map;
    let step = match row.outcome {
        Ok(body) => match received(model_map.endpoint, &body) {
            Ok(reply) => model_map.judge.judged(&entry.asked_model, reply, None, None),
            Err(why) => Step::Missing(format!("the answer {why}")),
        },
        Err(error) => match error.action() {
            // The service may succeed another time.
            _ if error.status == 0 => Step::Missing(error.to_string()),
            ErrorAction::Retry | ErrorAction::RateLimited => Step::Missing(error.to_string()),
            _ => Step::Invalid(error.to_string()),
        },
    };
    Some(Entry { step, ..entry })
}

/// Emits records.
struct Giving {
    shared: Arc<BatchStage>,
    meter: Arc<Meter>,
    context: Arc<JobContext>,
}

impl Giving {
    /// Counts a record passed through. A failure from upstream, or from before the request, was counted there.
    fn count(&self, outcome: &Outcome) {
        match outcome {
            Ok(_) => {
                self.meter.taken.add(1);
                self.meter.done.add(1);
            }
            Err(failure) if failure.stage == self.shared.model_map.stage && failure.attempts > 0 => {
                self.meter.taken.add(1);
                self.meter.failed.add(1);
            }
            Err(_) => {}
        }
    }

    /// The records parked with a job, page by page.
    fn records(self: Arc<Self>, in_flight: InFlightJob) -> BoxStream<'static, Outcome> {
        let state = (self, Arc::new(in_flight), Some(0));
        stream::unfold(state, |(giving, in_flight, place)| async move {
            let (outcomes, next) = giving.page(&in_flight, place?).await?;
            Some((stream::iter(outcomes), (giving, in_flight, next)))
        })
        .flatten()
        .boxed()
    }

    /// The next page, and where to continue.
    async fn page(&self, in_flight: &InFlightJob, place: i64) -> Option<(Vec<Outcome>, Option<i64>)> {
        let (store, token) = (&self.context.calls.database.store, &in_flight.job.token);
        let page = store
            .parked_or_close(&self.shared.stage, &self.shared.model_map.input_schema, token, place, PAGE)
            .await;
        let page = self.context.calls.database.shutdown.check(page)?;
        if page.is_empty() {
            return None;
        }
        let next = page.last().map(|last| last.place + 1);
        let outcomes = self.settle(page, &in_flight.job, in_flight.pending.as_deref()).await?;
        Some((outcomes, next))
    }

    async fn settle(
        &self,
        page: Vec<Parked>,
        job: &JobRecord,
        pending: Option<&str>,
    ) -> Option<Vec<Outcome>> {
        let requests = page.iter().filter_map(|parked| parked.request).collect();
        let known = self.context.calls.database.known(requests).await;
        let none = History::new(self.context.calls.database.generation());
        let mut outcomes = Vec::with_capacity(page.len());
        let (mut again, mut revalidated) = (Vec::new(), Vec::new());
        for Parked { place, request, until, record } in page {
            let history = request.and_then(|request| known.get(&request)).unwrap_or(&none);
            let model_map = &self.shared.model_map;
            let outcome = match model_map.judge.next_action(&record, history, Some(until), false) {
                NextAction::Resolution(settled) => {
                    // It fits its schema, but not the expectations for this record.
                    let last =
                        history.entries.last().filter(|_| matches!(settled, Resolution::Failed { .. }));
                    revalidated.extend(last.and_then(|last| model_map.judge.revalidated(&record, last)));
                    model_map.judge.outcome(record, settled)
                }
                // The run ended before it had an answer: it is pending, not failed.
                NextAction::Ask { .. } | NextAction::Placed(_)
                    if self.context.calls.database.shutdown.is_stopped() =>
                {
                    continue;
                }
                NextAction::Ask { .. } => {
                    again.push((place, AGAIN.to_owned()));
                    continue;
                }
                NextAction::Placed(_) => {
                    let why = pending.map_or_else(
                        || {
                            format!(
                                "batch job {} has not been collected",
                                job.job.as_deref().unwrap_or_default()
                            )
                        },
                        str::to_owned,
                    );
                    Err(model_map.failure(record, FailureKind::Unanswered, why, history.next_attempt() - 1))
                }
            };
            self.meter.taken.add(1);
            if outcome.is_ok() {
                self.meter.done.add(1);
            } else {
                self.meter.failed.add(1);
            }
            outcomes.push(outcome);
        }
        if !revalidated.is_empty() && !self.context.calls.database.commit(revalidated).await {
            return None;
        }
        let count = again.len() as u64;
        if count > 0 {
            self.context
                .calls
                .database
                .shutdown
                .check(self.context.calls.database.store.repark(&self.shared.stage, again).await)?;
            self.shared.ask_again(count);
        }
        self.shared.leave(outcomes.len() as u64);
        Some(outcomes)
    }
}
