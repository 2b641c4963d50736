//! Estimates the requests and the cost of a run: nothing is sent, nothing is written.

use std::collections::BTreeMap;

use futures::{FutureExt, StreamExt, future::BoxFuture};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    ledger::History,
    mistral::Used,
    plan::{Model, Node, NodeId, Plan, Port, Step},
    record::{Record, weight},
    request::{mock, model_map::ModelMap, verdict::NextAction, written::Written},
    run::{
        ask::calls::Calls,
        context::{Context, Purpose},
        drive::{shutdown::Shutdown, wire::conformed},
        error::RunError,
        options::Options,
        pipeline::Pipeline,
        stages::{source, transform},
    },
    sql::Engine,
    stage::{Bounds, RecordStream, chunk, merge},
    store::{Run, Store},
    units::{Size, Usd},
};
/// The estimate of a run.
#[derive(Debug, Clone, Default)]
pub struct Estimate {
    /// Records from the sources.
    pub records: u64,
    /// Records that the sources fail to read.
    pub unreadable: u64,
    /// What earlier runs that this one would resume have spent.
    pub spent: Usd,
    /// By calling stage, and by model where a template names it.
    pub stages: Vec<StageEstimate>,
}

/// The estimate of one stage.
#[derive(Debug, Clone)]
pub struct StageEstimate {
    /// The stage.
    pub stage: String,
    /// Its model.
    pub model: String,
    /// The requests, as far as known; `None` if they depend on missing answers.
    pub asks: Option<Asks>,
}

/// The requests of a stage.
#[derive(Debug, Clone, Default)]
pub struct Asks {
    /// Different requests that would be sent.
    pub requests: u64,
    /// Records with an answer in the ledger.
    pub answered: u64,
    /// Records for which no request can be written.
    pub broken: u64,
    /// Estimated tokens of these requests.
    pub prompt_tokens: u64,
    /// Estimated tokens of their answers.
    pub completion_tokens: u64,
    /// Pages of documents in these requests; the maximum where they cannot be counted.
    pub pages: u64,
    /// The cost, if the model's price is known.
    pub cost: Option<Usd>,
    /// The first request, as JSON; one from the ledger if all are answered.
    pub first: Option<String>,
}

/// The assumed tokens of an answer without a limit: typical for metadata of a document.
const ANSWER_TOKENS: u64 = 300;

/// The batch of records looked up together.
const LOOK_UP: Bounds = Bounds { items: 256, weight: 4_000_000, wait: std::time::Duration::from_millis(20) };

/// Estimates what running a pipeline with these options would send.
///
/// # Errors
/// A database or a source that cannot be read.
pub async fn estimate(pipeline: &Pipeline, options: &Options) -> Result<Estimate, RunError> {
    let mut plan = pipeline.plan().clone();
    plan.limit(options.limit);
    options.answers.as_ref().map_or(Ok(()), |answers| mock::check(answers, &plan))?;
    let engine = Engine::start().map_err(|error| RunError::Plan(error.to_string()))?;
    let store = Store::open_read_only(&plan.database, &plan.folder, &plan.resources).await?;
    #[expect(clippy::disallowed_methods, reason = "a dry run has no reader of events")]
    let (events, _) = mpsc::channel(1);
    let parts = (engine, Shutdown::new(CancellationToken::new()));
    // The ledger of an older version is updated by the next run; it has no such sum.
    let spent = store.spent(&plan.name, &options.server(&plan)).await.unwrap_or_default();
    let context = Context::new(&plan, options, (store, Run(0)), parts, Purpose::DryRun, events);
    let mut estimate = Estimate { spent, ..Estimate::default() };
    for node in &plan.nodes {
        let (Step::Ask(ask) | Step::Submit(ask)) = &node.step else { continue };
        let stage = node.name.to_string();
        let by_model = match records(&plan, node, &context).await? {
            Some(records) => {
                asks(records, &ModelMap::new(node, ask, &context.setup())?, &context.calls).await?
            }
            None => {
                estimate.stages.push(StageEstimate { stage, model: ask.model.to_string(), asks: None });
                continue;
            }
        };
        estimate.stages.extend(by_model.into_iter().map(|(model, asks)| StageEstimate {
            stage: stage.clone(),
            model,
            asks: Some(asks),
        }));
    }
    // Counted separately, because a source may have several readers, or none that calls a model.
    for node in &plan.nodes {
        if let Step::Source(from) = &node.step {
            let mut records = source::source(node, from, &context.stages).await;
            while let Some(outcome) = records.next().await {
                estimate.records += 1;
                estimate.unreadable += u64::from(outcome.is_err());
            }
        }
    }
    match context.shutdown.take() {
        Some(error) => Err(error),
        None => Ok(estimate),
    }
}

/// The records of some inputs, as far as they are available without a request.
fn records<'a>(
    plan: &'a Plan,
    reads: &'a Node,
    context: &'a Context,
) -> BoxFuture<'a, Result<Option<RecordStream>, RunError>> {
    async move {
        let mut streams = Vec::new();
        for input in &reads.inputs {
            let node = plan.node(NodeId(input.node.0));
            if input.port == Port::Failed {
                return Ok(None);
            }
            let above = match node.step {
                Step::Source(_) => None,
                _ => match records(plan, node, context).await? {
                    Some(above) => Some(above),
                    None => return Ok(None),
                },
            };
            streams.push(match (&node.step, above) {
                (Step::Source(from), _) => source::source(node, from, &context.stages).await,
                (Step::Fields(reshape), Some(above)) => {
                    transform::fields(above, node, reshape, &context.stages)?
                }
                (Step::Filter(condition), Some(above)) => {
                    transform::filter(above, node, condition, &context.stages)?
                }
                (Step::Split(split), Some(above)) => {
                    transform::split(above, node, split, None, &context.stages)?
                }
                (Step::Throttle(_) | Step::Lookup(_), Some(above)) => above,
                (Step::Wave(wave), Some(above)) if wave.set.is_none() => above,
                _ => return Ok(None),
            });
        }
        Ok(Some(conformed(merge(streams), &reads.input.schema)))
    }
    .boxed()
}

/// The requests of a stage by model.
async fn asks(
    records: RecordStream,
    model_map: &ModelMap,
    calls: &Calls,
) -> Result<BTreeMap<String, Asks>, RunError> {
    let mut by_model: BTreeMap<String, Asks> = BTreeMap::new();
    if matches!(model_map.ask.model, Model::Named(_)) {
        by_model.insert(model_map.ask.model.to_string(), Asks::default());
    }
    let mut broken = 0;
    let mut seen = std::collections::HashSet::new();
    let mut batches = chunk(records, LOOK_UP, weight);
    while let Some(batch) = batches.next().await {
        let mut written = Vec::with_capacity(batch.len());
        for record in batch.into_iter().filter_map(Result::ok) {
            match model_map.when.holds(&record) {
                Ok(true) => match model_map.write(&record).await {
                    Ok(request) if calls.preflight.too_long(model_map, &request).is_some() => broken += 1,
                    Ok(request) => written.push((record, request)),
                    Err(_) => broken += 1,
                },
                Ok(false) => {}
                Err(_) => broken += 1,
            }
        }
        let known =
            calls.database.known(written.iter().flat_map(|(_, written)| written.ids()).collect()).await;
        for (record, mut request) in written {
            let history = request.history_in(&known).unwrap_or(History::new(calls.database.generation()));
            let asks = by_model.entry(request.model.to_string()).or_default();
            let next_action = model_map.judge.next_action(&record, &history, None, calls.retry_failed);
            if !matches!(next_action, NextAction::Ask { .. }) || !seen.insert(request.id) {
                asks.answered += 1;
                if asks.first.is_none() {
                    asks.first = shown(model_map, &record, &request).await;
                }
                continue;
            }
            if asks.requests == 0 {
                asks.first = shown(model_map, &record, &request).await;
            }
            asks.requests += 1;
            asks.prompt_tokens += request.prompt;
            asks.pages += request.pages;
            asks.completion_tokens += model_map.answer_tokens().min(ANSWER_TOKENS);
        }
    }
    for (model, asks) in &mut by_model {
        asks.cost = model_map.costs.most(
            model,
            Used {
                prompt_tokens: asks.prompt_tokens,
                cached_tokens: 0,
                completion_tokens: asks.completion_tokens,
                pages: asks.pages,
            },
        );
    }
    if broken > 0 {
        // A record without a request has no model: it is counted in the first line.
        let first = by_model.keys().next().cloned().unwrap_or_else(|| model_map.ask.model.to_string());
        by_model.entry(first).or_default().broken = broken;
    }
    Ok(by_model)
}

/// The most characters shown of a file in a request.
const SHOWN: usize = 40;

/// A request for display, with its files truncated.
async fn shown(model_map: &ModelMap, record: &Record, written: &Written) -> Option<String> {
    let body = model_map.body(record, written).await.ok()?;
    let mut body: Value = serde_json::from_slice(&body).ok()?;
    if model_map.attaches() {
        shorten(&mut body);
    }
    serde_json::to_string_pretty(&body).ok()
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) if text.starts_with("data:") && text.len() > SHOWN => {
            let head: String = text.chars().take(SHOWN).collect();
            *text = format!("{head}… ({})", Size(text.len() as u64));
        }
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        _ => {}
    }
}
