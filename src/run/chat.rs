//! A chat stage as streams: recall what is answered, ask the rest, keep each answer before anything
//! depends on it.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::sync::watch;

use crate::{
    ledger::{Answer, RequestId},
    mistral::{CallError, Client, Endpoint, Patience, Slots},
    record::{Failure, FailureKind, Outcome, Record, weight},
    stage::{self, Bounds, RecordStream, ahead, chunk},
    store::{Batch, Generation, Known},
};

use super::{
    Context,
    claims::{Claim, Claimed},
    meter::Meter,
    question::{Question, Settled, Written},
    transform::template_failure,
};

/// Records that are looked up in the ledger together, and how long one waits for others: a look
/// costs the same for one as for hundreds.
const LOOK_UP: Bounds = Bounds { items: 256, weight: 2_000_000, wait: Duration::from_millis(5) };

/// Looked-up records that may wait for a slot. They hold their texts.
const LOOKED_UP: usize = 16;

/// Answers that are committed together. A kill loses what was answered within this time.
const COMMIT: Bounds = Bounds { items: 1024, weight: usize::MAX, wait: Duration::from_millis(20) };

/// A record on its way to a chat stage.
pub(super) enum Ticket {
    /// Nothing is to be asked for it: it failed above, or its condition is false.
    Pass(Outcome),
    /// The ledger has its answer, or the failure that all its attempts came to.
    Known(Record, Settled),
    /// Another record asks the same.
    Shared(Record, watch::Receiver<Option<Settled>>),
    /// It is to be asked.
    Ask(Box<Ask>),
}

/// A question that is to be asked.
pub(super) struct Ask {
    record: Record,
    written: Written,
    claim: Claim,
    generation: Generation,
    answers: Vec<Answer>,
}

/// A record with its last answer.
struct Answered {
    record: Record,
    settled: Settled,
    last: (Generation, Answer),
    claim: Claim,
}

/// A record that has been asked for, before its answer is durable.
enum Asked {
    Done(Outcome),
    /// The last answer is still to be committed.
    Answered(Box<Answered>),
    /// The run was stopped before there was an answer: the record is pending.
    Pending,
}

impl Ticket {
    /// Whether nothing will be sent for it.
    pub(super) fn is_free(&self) -> bool {
        !matches!(self, Self::Ask(_))
    }
}

/// Looks into the ledger for the requests of a stage.
pub(super) fn recall(
    input: RecordStream,
    question: &Arc<Question>,
    meter: &Arc<Meter>,
    context: &Arc<Context>,
) -> BoxStream<'static, Ticket> {
    let (question, meter, context) = (Arc::clone(question), Arc::clone(meter), Arc::clone(context));
    let batches = chunk(input, LOOK_UP, weight);
    let looked_up = batches.then(move |batch| {
        let (question, meter, context) = (Arc::clone(&question), Arc::clone(&meter), Arc::clone(&context));
        async move { stream::iter(look_up(batch, &question, &meter, &context).await) }
    });
    ahead(looked_up.flatten().boxed(), LOOKED_UP)
}

async fn look_up(batch: Vec<Outcome>, question: &Question, meter: &Meter, context: &Context) -> Vec<Ticket> {
    let mut tickets = Vec::with_capacity(batch.len());
    let mut asks: Vec<RequestId> = Vec::new();
    for outcome in batch {
        let ticket = ticket(outcome, question, meter, context);
        if let Ticket::Ask(ask) = &ticket {
            asks.push(ask.written.id);
        }
        tickets.push(ticket);
    }
    let mut known = match context.fresh {
        true => HashMap::new(),
        false => context.halt.check(context.store.known(&context.server, asks).await).unwrap_or_default(),
    };
    let settle = |ticket| match ticket {
        Ticket::Ask(mut ask) => {
            if let Some(Known { generation, answers }) = known.remove(&ask.written.id) {
                ask.generation = generation;
                ask.answers = answers;
            }
            match question.settle(&ask.answers) {
                Some(settled) => {
                    meter.reused.add(1);
                    let Ask { record, claim, .. } = *ask;
                    claim.settle(settled.clone());
                    Ticket::Known(record, settled)
                }
                None => Ticket::Ask(ask),
            }
        }
        other => other,
    };
    tickets.into_iter().map(settle).collect()
}

fn ticket(outcome: Outcome, question: &Question, meter: &Meter, context: &Context) -> Ticket {
    let record = match outcome {
        Ok(record) => record,
        failure => return Ticket::Pass(failure),
    };
    meter.taken.add(1);
    let written = match question.when.holds(&record) {
        Ok(true) => question.write(&record),
        Ok(false) => {
            meter.done.add(1);
            return Ticket::Pass(Ok(record));
        }
        Err(error) => Err(error),
    };
    let written = match written {
        Ok(written) => written,
        Err(error) => {
            meter.failed.add(1);
            return Ticket::Pass(Err(template_failure(record, &question.stage, &error)));
        }
    };
    match context.claims.claim(written.id) {
        Claimed::Theirs(settled) => Ticket::Shared(record, settled),
        Claimed::Ours(claim) => {
            let generation = Generation(context.run.0);
            Ticket::Ask(Box::new(Ask { record, written, claim, generation, answers: Vec::new() }))
        }
    }
}

/// Asks what is to be asked, and gives each record on when its answer is durable.
pub(super) fn ask(
    tickets: BoxStream<'static, Ticket>,
    question: Arc<Question>,
    meter: Arc<Meter>,
    client: Client,
    context: Arc<Context>,
) -> RecordStream {
    let slots = Arc::new(Slots::fixed(question.chat.concurrency));
    // As many again may wait for their next attempt, without a slot; and no more, for they hold their texts.
    let inside = slots.most().saturating_mul(2);
    let client = client.with_slots(slots);
    // Tickets that are left when the run is stopped are pending.
    let tickets = tickets.take_until(context.halt.token().cancelled_owned()).boxed();
    let work = {
        let (question, meter, context) = (Arc::clone(&question), Arc::clone(&meter), Arc::clone(&context));
        move |ticket| {
            let (question, meter, client, context) =
                (Arc::clone(&question), Arc::clone(&meter), client.clone(), Arc::clone(&context));
            async move {
                match ticket {
                    Ticket::Pass(outcome) => Asked::Done(outcome),
                    Ticket::Known(record, settled) => {
                        Asked::Done(told(question.outcome(record, settled), &meter))
                    }
                    Ticket::Shared(record, settled) => {
                        shared(record, settled, &question, &meter, &context).await
                    }
                    Ticket::Ask(ask) => answer(*ask, &question, &meter, &client, &context).await,
                }
            }
        }
    };
    // Calls that have ended free their slots while a commit is under way.
    let asked = ahead(stage::map(tickets, inside, work), inside);
    let batches = chunk(asked, COMMIT, |_| 1);
    let kept = batches.then(move |batch| {
        let (question, meter, context) = (Arc::clone(&question), Arc::clone(&meter), Arc::clone(&context));
        async move { stream::iter(keep(batch, &question, &meter, &context).await) }
    });
    // Commits go on while what is downstream is busy.
    ahead(kept.flatten().boxed(), inside)
}

/// Makes answers durable, then lets them be seen.
async fn keep(batch: Vec<Asked>, question: &Question, meter: &Meter, context: &Context) -> Vec<Outcome> {
    let answers = batch
        .iter()
        .filter_map(|asked| match asked {
            Asked::Answered(answered) => Some(answered.last.clone()),
            Asked::Done(_) | Asked::Pending => None,
        })
        .collect::<Vec<_>>();
    let kept = match answers.is_empty() {
        true => true,
        false => commit(context, answers).await,
    };
    let outcomes = batch.into_iter().filter_map(|asked| match asked {
        Asked::Done(outcome) => Some(outcome),
        Asked::Answered(answered) if kept => {
            let Answered { record, settled, claim, .. } = *answered;
            claim.settle(settled.clone());
            Some(told(question.outcome(record, settled), meter))
        }
        Asked::Answered(_) | Asked::Pending => None,
    });
    outcomes.collect()
}

async fn commit(context: &Context, answers: Vec<(Generation, Answer)>) -> bool {
    let batch = Batch { answers, ..Batch::default() };
    context.halt.check(context.store.commit(context.run, &context.server, batch).await).is_some()
}

fn told(outcome: Outcome, meter: &Meter) -> Outcome {
    match &outcome {
        Ok(_) => meter.done.add(1),
        Err(_) => meter.failed.add(1),
    }
    outcome
}

/// Waits for the answer that another record asked for.
async fn shared(
    record: Record,
    mut settled: watch::Receiver<Option<Settled>>,
    question: &Question,
    meter: &Meter,
    context: &Context,
) -> Asked {
    let got = settled.wait_for(Option::is_some).await.ok().and_then(|settled| settled.clone());
    match got {
        Some(settled) => {
            meter.reused.add(1);
            Asked::Done(told(question.outcome(record, settled), meter))
        }
        None if context.halt.is_stopped() => Asked::Pending,
        None => {
            let reason = "another record asks the same, and got no answer".to_owned();
            Asked::Done(told(Err(unanswered(record, question, FailureKind::Unanswered, reason, 0)), meter))
        }
    }
}

fn unanswered(
    record: Record,
    question: &Question,
    kind: FailureKind,
    reason: String,
    attempts: u32,
) -> Box<Failure> {
    Box::new(Failure { record, stage: Arc::clone(&question.stage), kind, reason, attempts, reply: None })
}

/// Asks until there is an answer that fits or no attempt is left.
async fn answer(ask: Ask, question: &Question, meter: &Meter, client: &Client, context: &Context) -> Asked {
    let Ask { record, written, claim, generation, mut answers } = ask;
    let retry = question.chat.retry;
    let patience = Patience { times: retry.times, wait: retry.wait, max_wait: retry.max_wait };
    loop {
        let attempt = answers.len() as u32 + 1;
        let (model, body) = (&question.chat.model, written.body.clone());
        let asked = client.ask(Endpoint::Chat, model, body, written.tokens, patience, &meter.gauge).await;
        let said = match asked {
            Ok(said) => said,
            Err(CallError::Stopped) => return Asked::Pending,
            Err(CallError::Stop(error)) => {
                context.halt.fail(error);
                return Asked::Pending;
            }
            Err(CallError::Refused(error)) => {
                let failure = unanswered(record, question, FailureKind::Invalid, error.to_string(), attempt);
                return Asked::Done(told(Err(failure), meter));
            }
            Err(error @ (CallError::Exhausted { .. } | CallError::Unsure { .. })) => {
                let reason = error.to_string();
                let failure = unanswered(record, question, FailureKind::Unanswered, reason, attempt);
                return Asked::Done(told(Err(failure), meter));
            }
        };
        let answer = question.answer(&written, &record.key, attempt, &said);
        count(meter, &answer);
        answers.push(answer.clone());
        if let Some(settled) = question.settle(&answers) {
            let last = (generation, answer);
            return Asked::Answered(Box::new(Answered { record, settled, last, claim }));
        }
        // The next attempt depends on this one having been made.
        if !commit(context, vec![(generation, answer)]).await || context.halt.is_stopped() {
            return Asked::Pending;
        }
    }
}

fn count(meter: &Meter, answer: &Answer) {
    meter.prompt_tokens.add(answer.prompt_tokens);
    meter.completion_tokens.add(answer.completion_tokens);
    match answer.cost {
        Some(cost) => meter.cost_micros.add(cost.micros()),
        None => meter.unpriced.add(1),
    }
}

/// Tells a meter of records that wait for a pace.
pub(super) fn paced(meter: &Arc<Meter>) -> impl Fn(i64) + Send + 'static {
    let meter = Arc::clone(meter);
    move |change| {
        meter.paced.fetch_add(change, Ordering::Relaxed);
    }
}
