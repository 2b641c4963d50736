//! Sends looked-up records if needed, and stores each answer before anything depends on it. Whether a refused answer
//! gets another attempt is decided in [`request::verdict`](crate::request::verdict).

use std::{sync::Arc, time::Duration};

use futures::{
    StreamExt,
    stream::{self},
};
use tokio::sync::watch;

use crate::{
    ledger::{Entry, History, Step},
    mistral::{CallError, Client, ConcurrencyLimiter, StopCause},
    record::{FailureKind, Outcome, Record},
    request::{
        error::WriteError,
        model_map::ModelMap,
        verdict::{NextAction, Resolution},
        written::Sending,
    },
    run::{
        ask::{
            calls::Calls,
            lookup::{Ask, Follower, LookedUp, Lookups, in_a_job},
            single_flight::{Joined, Leader},
        },
        error::RunError,
        progress::{counted::count, meter::Meter},
    },
    spec::Concurrency,
    stage::{self, Bounds, RecordStream, chunk, prefetch, until_stopped},
    store::StoreError,
};
/// The batch of answers committed together. A kill loses the answers of this time.
const COMMIT: Bounds = Bounds { items: 1024, weight: usize::MAX, wait: Duration::from_millis(5) };

/// A record and its last step.
struct Answered {
    record: Record,
    settled: Resolution,
    history: History,
    last: Entry,
    claim: Option<Leader>,
}

/// A record after its request, before its answer is durable.
enum Asked {
    Done(Outcome),
    /// The last answer is not committed yet.
    Answered(Box<Answered>),
    /// The run was stopped before an answer: the record is pending.
    Pending,
}

/// Sends the due requests, and emits each record when its answer is durable.
pub(crate) fn ask(
    Lookups { records, model_map }: Lookups,
    meter: Arc<Meter>,
    client: Client,
    calls: Arc<Calls>,
) -> RecordStream {
    let slots = Arc::new(match model_map.ask.concurrency {
        Concurrency::Fixed(count) => ConcurrencyLimiter::fixed(count),
        Concurrency::Auto { min, max } => ConcurrencyLimiter::auto(min, max),
    });
    // As many again may wait for a retry without a slot; no more, because they hold their texts.
    let inside = slots.most().saturating_mul(2);
    let client = client.with_slots(slots);
    // Records left when the run is stopped are pending.
    let records = until_stopped(records, calls.database.shutdown.token());
    let work = {
        let (model_map, meter, calls) = (Arc::clone(&model_map), Arc::clone(&meter), Arc::clone(&calls));
        move |looked_up| {
            let (model_map, meter, client, calls) =
                (Arc::clone(&model_map), Arc::clone(&meter), client.clone(), Arc::clone(&calls));
            async move {
                match looked_up {
                    LookedUp::Pass(outcome) => Asked::Done(outcome),
                    LookedUp::Known(record, settled) => {
                        Asked::Done(counted(model_map.judge.outcome(record, settled), &meter))
                    }
                    LookedUp::Shared(follower) => {
                        shared(*follower, &model_map, &meter, &client, &calls).await
                    }
                    LookedUp::Ask(ask) => answer(*ask, &model_map, &meter, &client, &calls).await,
                }
            }
        }
    };
    // Completed calls free their slots during a commit.
    let asked = prefetch(stage::map(records, inside, work), inside);
    let batches = chunk(asked, COMMIT, |_| 1);
    let kept = batches.then(move |batch| {
        let (model_map, meter, calls) = (Arc::clone(&model_map), Arc::clone(&meter), Arc::clone(&calls));
        async move { stream::iter(keep(batch, &model_map, &meter, &calls).await) }
    });
    // Commits continue while downstream is busy.
    prefetch(kept.flatten().boxed(), inside)
}

/// Makes answers durable, then emits them.
async fn keep(batch: Vec<Asked>, model_map: &ModelMap, meter: &Meter, calls: &Calls) -> Vec<Outcome> {
    let entries = batch
        .iter()
        .filter_map(|asked| match asked {
            Asked::Answered(answered) => Some(answered.last.clone()),
            Asked::Done(_) | Asked::Pending => None,
        })
        .collect::<Vec<_>>();
    let kept = entries.is_empty() || calls.database.commit(entries).await;
    let outcomes = batch.into_iter().filter_map(|asked| match asked {
        Asked::Done(outcome) => Some(outcome),
        Asked::Answered(answered) if kept => {
            let Answered { record, settled, history, claim, .. } = *answered;
            if let Some(claim) = claim {
                claim.settle(history);
            }
            Some(counted(model_map.judge.outcome(record, settled), meter))
        }
        Asked::Answered(_) | Asked::Pending => None,
    });
    outcomes.collect()
}

fn counted(outcome: Outcome, meter: &Meter) -> Outcome {
    match &outcome {
        Ok(_) => meter.done.add(1),
        Err(_) => meter.failed.add(1),
    }
    outcome
}

/// Waits for the answer to another record's request, and judges it for this record. If it is refused here, this
/// record continues with the next attempt.
async fn shared(
    follower: Follower,
    model_map: &ModelMap,
    meter: &Meter,
    client: &Client,
    calls: &Calls,
) -> Asked {
    let Follower { record, mut written, mut shared } = follower;
    let claimed = written.id;
    let fails = |record, reason: String| {
        meter.failed.add(1);
        Asked::Done(Err(model_map.failure(record, FailureKind::Unanswered, reason, 0)))
    };
    loop {
        let got = shared.wait_for(Option::is_some).await.ok().and_then(|history| history.clone());
        let Some(history) = got else {
            if calls.database.shutdown.is_stopped() {
                return Asked::Pending;
            }
            // Whatever prevents the other request prevents this one, too.
            if let Ok(Err(error)) = calls.preflight.may_be_sent(client, model_map, &written).await {
                return Asked::Done(counted(Err(model_map.unwritten(record, &error)), meter));
            }
            return fails(record, "another record has the same request, which got no answer".to_owned());
        };
        match model_map.judge.next_action(&record, &history, None, false) {
            NextAction::Resolution(settled) => {
                meter.reused.add(1);
                return Asked::Done(counted(model_map.judge.outcome(record, settled), meter));
            }
            NextAction::Placed(job) => return fails(record, in_a_job(&job)),
            NextAction::Ask { .. } => {}
        }
        let claim = match calls.in_flight.join(claimed) {
            Joined::Leader(claim) => claim,
            Joined::Follower(theirs) => {
                shared = theirs;
                continue;
            }
        };
        // Others may have made further attempts meanwhile.
        let known = calls.database.known(written.ids().collect()).await;
        let mut history = written.history_in(&known).unwrap_or((*history).clone());
        let NextAction::Ask { until } = model_map.judge.next_action(&record, &history, None, false) else {
            let (sender, receiver) = watch::channel(Some(Arc::new(history.clone())));
            shared = receiver;
            drop(sender);
            claim.settle(history);
            continue;
        };
        let revalidated = history.entries.last().and_then(|last| model_map.judge.revalidated(&record, last));
        if let Some(entry) = revalidated {
            history.entries.push(entry.clone());
            if !calls.database.commit(vec![entry]).await {
                return Asked::Pending;
            }
        }
        let ask = Ask { record, written, claim: Some(claim), history, until };
        return answer(ask, model_map, meter, client, calls).await;
    }
}

/// Sends attempts until an answer is accepted or none are left.
async fn answer(ask: Ask, model_map: &ModelMap, meter: &Meter, client: &Client, calls: &Calls) -> Asked {
    let Ask { record, written, claim, mut history, until } = ask;
    let policy = model_map.ask.retry;
    if let Err(reason) = calls.may_call(&model_map.stage) {
        let attempts = history.next_attempt() - 1;
        let failure = model_map.failure(record, FailureKind::Unanswered, reason, attempts);
        return Asked::Done(counted(Err(failure), meter));
    }
    match calls.preflight.may_be_sent(client, model_map, &written).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Asked::Done(counted(Err(model_map.unwritten(record, &error)), meter)),
        Err(error) => {
            calls.database.shutdown.fail(error);
            return Asked::Pending;
        }
    }
    loop {
        let attempt = history.next_attempt();
        let Sending { body, tokens, cost } = match model_map.sending(&record, &written, &history).await {
            Ok(sending) => sending,
            Err(error) => return Asked::Done(counted(Err(model_map.unwritten(record, &error)), meter)),
        };
        let Some(reserved) = calls.reserve_request(cost).await else { return Asked::Pending };
        let model = &*written.model;
        let asked = client.ask(model_map.endpoint, model, body, tokens, policy, &meter.gauge).await;
        let step = match asked {
            Ok(said) => model_map.judge.judged(model, said.reply, Some(said.latency), said.correlation_id),
            Err(CallError::Stopped) => return Asked::Pending,
            // Only this record uses the model: others may exist.
            Err(CallError::Stop(StopCause::Refused(error)))
                if (error.status == 404 || error.is_about_the_model())
                    && !model_map.ask.model.is_written(model) =>
            {
                let error = WriteError::Model(format!("`{model}` cannot be used: {error}"));
                return Asked::Done(counted(Err(model_map.unwritten(record, &error)), meter));
            }
            Err(CallError::Stop(cause)) => {
                calls.database.shutdown.fail(cause);
                return Asked::Pending;
            }
            Err(CallError::Refused(error)) => Step::Invalid(error.to_string()),
            Err(error @ (CallError::Exhausted { .. } | CallError::Unsure { .. })) => {
                let failure = model_map.failure(record, FailureKind::Unanswered, error.to_string(), attempt);
                return Asked::Done(counted(Err(failure), meter));
            }
        };
        reserved.settle(step.answer().and_then(|answer| answer.cost).unwrap_or_default());
        count(meter, &step);
        let last = model_map.entry(written.id, model, &record.key, history.generation, attempt, step);
        let last = model_map.judge.revalidated(&record, &last).unwrap_or(last);
        history.entries.push(last.clone());
        if let Err(error) = history.state() {
            calls.database.shutdown.fail(RunError::from(StoreError::from(error)));
            return Asked::Pending;
        }
        if let NextAction::Resolution(settled) =
            model_map.judge.next_action(&record, &history, Some(until), false)
        {
            return Asked::Answered(Box::new(Answered { record, settled, history, last, claim }));
        }
        // The next attempt depends on this one being recorded.
        if !calls.database.commit(vec![last]).await || calls.database.shutdown.is_stopped() {
            return Asked::Pending;
        }
    }
}
