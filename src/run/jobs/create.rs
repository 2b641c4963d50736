//! Creates each job once, or finds it again after an interrupted run.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    fault_injection,
    ledger::{Entry, JobState, JobStep, Step},
    mistral::{
        CallError, Client,
        wire::{BatchLine, CreateJob, Job},
    },
    plan::NodeId,
    run::{
        error::RunError,
        jobs::{
            context::JobContext,
            group::Group,
            shared::{BatchStage, Batched, InFlightJob, age, token_metadata, update},
        },
        progress::meter::Meter,
    },
    store::{Batch, JobRecord},
    units::Usd,
};

/// The largest job with inline requests: one call instead of two, and no file is left behind.
const INLINE_REQUESTS: u64 = 100;
const INLINE_BYTES: usize = 1_000_000;

/// A job planned this recently may not be listed yet.
const YOUNG: Duration = Duration::from_secs(120);
const LOOKS: u32 = 3;
const BETWEEN_LOOKS: Duration = Duration::from_millis(300);

/// The jobs of earlier runs.
pub(crate) struct Recovered {
    /// The jobs that continue.
    pub(crate) open: Vec<JobRecord>,
    /// The jobs that cannot be reached, and why.
    pub(crate) unreachable_jobs: HashMap<String, String>,
}

/// Finds the jobs left by earlier runs: each is resumed, or recorded as lost.
pub(crate) async fn recover(shared: &BatchStage, client: &Client, context: &JobContext) -> Option<Recovered> {
    let mut recovered = Recovered { open: Vec::new(), unreachable_jobs: HashMap::new() };
    let jobs =
        context.calls.database.shutdown.check(
            context.calls.database.store.jobs(&context.pipeline, &context.calls.database.server).await,
        )?;
    for mut job in jobs.into_iter().filter(|job| job.state.is_open()) {
        if job.account != context.account {
            let reason = format!(
                "batch job {} ({} requests of `{}`) belongs to another account: run it with that account's key to collect it",
                job.job.as_ref().unwrap_or(&job.token),
                job.requests,
                job.stage
            );
            tracing::warn!("{reason}");
            recovered.unreachable_jobs.insert(job.token, reason);
            continue;
        }
        // Jobs of a stage that no longer exists, perhaps renamed, belong to the first one.
        let known = context.batches.iter().any(|stage| **stage == *job.stage);
        let owner =
            if known { Some(job.stage.as_str()) } else { context.batches.first().map(|stage| &**stage) };
        if owner != Some(&*shared.model_map.stage) {
            continue;
        }
        if job.state != JobState::Created {
            // Interrupted between planning and creation: the service knows whether it exists.
            let found = match look_for(&job, client).await {
                Ok(found) => found,
                Err(CallError::Stop(cause)) => {
                    context.calls.database.shutdown.fail(cause);
                    return None;
                }
                Err(error) => {
                    let reason = format!("batch job {} cannot be looked up: {error}", job.token);
                    tracing::warn!("{reason}");
                    recovered.unreachable_jobs.insert(job.token, reason);
                    continue;
                }
            };
            let Some(found) = found else {
                lose(&mut job, "the job was never created", context).await?;
                continue;
            };
            update(&mut job, &found);
            if !context.calls.database.job_step(&mut job, JobStep::Created, Batch::default()).await {
                return None;
            }
        }
        // A resumed job may still incur costs, and can no longer be rejected.
        shared.keep(&job.token, context.calls.budget.reserve_unchecked(Usd::from_micros(job.estimate)));
        recovered.open.push(job);
    }
    Some(recovered)
}

/// Looks for a job that may have been created. A list may lag behind, so a recent job is looked for repeatedly.
async fn look_for(job: &JobRecord, client: &Client) -> Result<Option<Job>, CallError> {
    let young = age(job.planned_at) < YOUNG;
    for look in 0..if young { LOOKS } else { 1 } {
        if look > 0 {
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        let found = client.find_jobs(&token_metadata(&job.token)).await?;
        if let Some(job) = found.into_iter().max_by_key(|found| found.created_at) {
            return Ok(Some(job));
        }
    }
    Ok(None)
}

/// Records that a job is lost: its requests must be sent again.
pub(crate) async fn lose(job: &mut JobRecord, why: &str, context: &JobContext) -> Option<()> {
    let placed =
        context.calls.database.shutdown.check(context.calls.database.store.placed(&job.token).await)?;
    let entries = placed.into_values().map(|entry| Entry { step: Step::Missing(why.to_owned()), ..entry });
    let batch = Batch { entries: entries.collect(), ..Batch::default() };
    context.calls.database.job_step(job, JobStep::Lost, batch).await.then_some(())
}

/// Creates the job of a planned group.
pub(crate) async fn create(
    group: Group,
    node: NodeId,
    shared: &BatchStage,
    meter: &Meter,
    client: &Client,
    context: &JobContext,
) -> Batched {
    let Group { mut job, lines, .. } = group;
    let pending = match send(&mut job, lines.into(), shared, client, context).await {
        Ok(created) => {
            let requests = job.requests;
            update(&mut job, &created);
            fault_injection::point("created");
            if context.calls.database.job_step(&mut job, JobStep::Created, Batch::default()).await {
                meter.gauge.requests.fetch_add(requests, std::sync::atomic::Ordering::Relaxed);
                context.events.job_changed(node, &job).await;
                None
            } else {
                Some("the run was stopped".to_owned())
            }
        }
        Err(CallError::Refused(error)) => {
            // The lines were validated one by one, so the error concerns all of them.
            let reason = format!("the service refused the job: {error}");
            let step = || Step::Invalid(reason.clone());
            match context.calls.database.shutdown.check(context.calls.database.store.placed(&job.token).await)
            {
                None => Some("the run was stopped".to_owned()),
                Some(placed) => {
                    let entries = placed.into_values().map(|entry| Entry { step: step(), ..entry }).collect();
                    let batch = Batch { entries, ..Batch::default() };
                    context.calls.database.job_step(&mut job, JobStep::Lost, batch).await;
                    None
                }
            }
        }
        Err(CallError::Stop(cause)) => {
            context.calls.database.shutdown.fail(cause);
            Some("the run was stopped".to_owned())
        }
        Err(error @ (CallError::Stopped | CallError::Exhausted { .. } | CallError::Unsure { .. })) => {
            Some(format!("its job could not be created ({error}); the next run looks it up"))
        }
    };
    Batched::Job(Box::new(InFlightJob { job, pending }))
}

/// A line as required here: the service accepts lines without an id, and duplicate ids.
#[derive(Deserialize)]
struct Line<'a> {
    custom_id: &'a str,
    #[serde(borrow, rename = "body")]
    _body: &'a RawValue,
}

/// Whether there are exactly this many lines, each valid JSON with a unique id.
fn is_sound(lines: &[u8], requests: u64) -> bool {
    let mut ids = HashSet::new();
    let mut all = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    all.all(|line| serde_json::from_slice::<Line<'_>>(line).is_ok_and(|line| ids.insert(line.custom_id)))
        && ids.len() as u64 == requests
}

/// Uploads the lines, unless they are sent inline, and creates the job.
async fn send(
    job: &mut JobRecord,
    lines: Bytes,
    shared: &BatchStage,
    client: &Client,
    context: &JobContext,
) -> Result<Job, CallError> {
    if let Err(error) = context.calls.preflight.check(client, &shared.model_map, &job.model).await {
        context.calls.database.shutdown.fail(error);
        return Err(CallError::Stopped);
    }
    if !is_sound(&lines, job.requests) {
        context.calls.database.shutdown.fail(RunError::Plan(format!("the lines of a job of {}", job.stage)));
        return Err(CallError::Stopped);
    }
    let mut metadata = token_metadata(&job.token);
    metadata.insert("etl_stage".to_owned(), job.stage.chars().take(512).collect());
    let hours = shared.model_map.ask.batch.map(|batch| batch.timeout_hours);
    let mut create = CreateJob {
        endpoint: job.endpoint.clone(),
        input_files: None,
        requests: None,
        model: Some(job.model.clone()),
        metadata: Some(metadata),
        timeout_hours: hours,
    };
    fault_injection::point("planned");
    if job.requests <= INLINE_REQUESTS && lines.len() <= INLINE_BYTES {
        let read = |line: &[u8]| serde_json::from_slice::<BatchLine>(line).ok();
        create.requests = Some(lines.split(|byte| *byte == b'\n').filter_map(read).collect());
    } else {
        let file = client.upload(&format!("{}.jsonl", job.token), lines).await?;
        job.input_file = Some(file.id.clone());
        if !context.calls.database.job_step(job, JobStep::Uploaded, Batch::default()).await {
            return Err(CallError::Stopped);
        }
        create.input_files = Some(vec![file.id]);
        fault_injection::point("uploaded");
    }
    client.create_job(&create).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_looked_at_before_they_are_sent() {
        let good = b"{\"custom_id\":\"a\",\"body\":{}}\n{\"custom_id\":\"b\",\"body\":{\"x\":1}}\n";
        assert!(is_sound(good, 2));
        assert!(!is_sound(good, 3), "one is not there");
        assert!(
            !is_sound(b"{\"custom_id\":\"a\",\"body\":{}}\n{\"custom_id\":\"a\",\"body\":{}}\n", 2),
            "one id twice"
        );
        assert!(!is_sound(b"{\"custom_id\":\"a\",\"body\":{\n", 1), "no JSON");
        assert!(!is_sound(b"{\"body\":{}}\n", 1), "no id");
    }
}
