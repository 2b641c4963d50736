//! A stage that asks, as streams: recall what is answered, ask the rest, keep each answer before anything
//! depends on it.

use std::{sync::Arc, time::Duration};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::sync::watch;

use crate::{
    ledger::{Entry, History, Step},
    mistral::{CallError, Client, ConcurrencyLimiter, StopCause},
    record::{FailureKind, Outcome, Record, weight},
    request::{
        error::WriteError,
        question::Question,
        verdict::{Course, Settled},
        written::{Sending, Written},
    },
    run::{
        RunError,
        ask::claims::{Claim, Claimed, Told},
        context::Context,
        progress::{counted::count, meter::Meter},
    },
    spec::Concurrency,
    stage::{self, Bounds, RecordStream, ahead, chunk},
    store::StoreError,
};

/// Records that are looked up in the ledger together, and how long one waits for others: a look
/// costs the same for one as for hundreds.
const LOOK_UP: Bounds = Bounds { items: 256, weight: 2_000_000, wait: Duration::from_millis(5) };

/// Fewer where files are read for it: the first is not to wait until hundreds are read.
const LOOK_UP_FILES: Bounds = Bounds { items: 8, ..LOOK_UP };

/// Looked-up records that may wait for a slot. They hold their texts.
const LOOKED_UP: usize = 16;

/// Answers that are committed together. A kill loses what was answered within this time.
const COMMIT: Bounds = Bounds { items: 1024, weight: usize::MAX, wait: Duration::from_millis(20) };

/// A record on its way to a chat stage.
pub(crate) enum Ticket {
    /// Nothing is to be asked for it: it failed above, or its condition is false.
    Pass(Outcome),
    /// The ledger has its answer, or the failure that all its attempts came to.
    Known(Record, Settled),
    /// Another record asks the same.
    Shared(Box<Follower>),
    /// It is to be asked.
    Ask(Box<Ask>),
}

/// A record whose request another one has claimed.
pub(crate) struct Follower {
    record: Record,
    written: Written,
    told: Told,
}

/// A question that is to be asked.
pub(crate) struct Ask {
    pub(crate) record: Record,
    written: Written,
    claim: Option<Claim>,
    history: History,
    /// The last attempt that this run may make.
    until: u32,
}

/// A record with its last step.
struct Answered {
    record: Record,
    settled: Settled,
    history: History,
    last: Entry,
    claim: Option<Claim>,
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
    /// The record, for a stage that looks into the ledger itself.
    pub(crate) fn into_outcome(self) -> Outcome {
        match self {
            Self::Pass(outcome) => outcome,
            Self::Known(record, _) => Ok(record),
            Self::Shared(follower) => Ok(follower.record),
            Self::Ask(ask) => Ok(ask.record),
        }
    }

    /// Whether nothing will be sent for it.
    pub(crate) fn is_free(&self) -> bool {
        !matches!(self, Self::Ask(_))
    }
}

/// Looks into the ledger for the requests of a stage.
///
/// With `claim` each request is claimed, so that records which ask the same share an answer; a stage that
/// submits jobs finds them by itself.
pub(crate) fn recall(
    input: RecordStream,
    question: &Arc<Question>,
    claim: bool,
    meter: &Arc<Meter>,
    context: &Arc<Context>,
) -> BoxStream<'static, Ticket> {
    let (question, meter, context) = (Arc::clone(question), Arc::clone(meter), Arc::clone(context));
    let together = if question.attaches() { LOOK_UP_FILES } else { LOOK_UP };
    let batches = chunk(input, together, weight);
    let looked_up = batches.then(move |batch| {
        let (question, meter, context) = (Arc::clone(&question), Arc::clone(&meter), Arc::clone(&context));
        async move { stream::iter(look_up(batch, &question, claim, &meter, &context).await) }
    });
    ahead(looked_up.flatten().boxed(), LOOKED_UP)
}

async fn look_up(
    batch: Vec<Outcome>,
    question: &Question,
    claim: bool,
    meter: &Meter,
    context: &Context,
) -> Vec<Ticket> {
    let mut tickets: Vec<Ticket> = Vec::with_capacity(batch.len());
    for outcome in batch {
        tickets.push(ticket(outcome, question, claim, meter, context).await);
    }
    let asks = tickets.iter().filter_map(|ticket| match ticket {
        Ticket::Ask(ask) => Some(ask.written.ids()),
        _ => None,
    });
    let known = context.known(asks.flatten().collect()).await;
    let mut anew = Vec::new();
    for ticket in &mut tickets {
        let Ticket::Ask(ask) = ticket else { continue };
        if let Some(history) = ask.written.recalled(&known) {
            ask.history = history;
        }
        match question.course(&ask.record, &ask.history, None, context.retry_failed) {
            Course::Ask { until } => {
                ask.until = until;
                if claim
                    && let Some(last) = ask.history.entries.last()
                    && let Some(entry) = question.judged_anew(&ask.record, last)
                {
                    ask.history.entries.push(entry.clone());
                    anew.push(entry);
                }
            }
            // The stage that submits finds the answer itself.
            Course::Settled(_) if !claim => *ticket = Ticket::Pass(Ok(ask.record.clone())),
            Course::Settled(settled) => {
                meter.reused.add(1);
                if let Some(claim) = ask.claim.take() {
                    claim.settle(ask.history.clone());
                }
                *ticket = Ticket::Known(ask.record.clone(), settled);
            }
            Course::Placed(job) if claim => {
                meter.failed.add(1);
                let failure =
                    question.failure(ask.record.clone(), FailureKind::Unanswered, in_a_job(&job), 0);
                *ticket = Ticket::Pass(Err(failure));
            }
            // The stage that submits comes back to its own job, which costs nothing.
            Course::Placed(_) => *ticket = Ticket::Pass(Ok(ask.record.clone())),
        }
    }
    if !anew.is_empty() {
        context.commit(anew).await;
    }
    tickets
}

fn in_a_job(job: &str) -> String {
    format!(
        "its request is in batch job {job}, which has not been read: asked for at once it would be paid twice"
    )
}

async fn ticket(
    outcome: Outcome,
    question: &Question,
    claim: bool,
    meter: &Meter,
    context: &Context,
) -> Ticket {
    let record = match outcome {
        Ok(record) => record,
        failure => return Ticket::Pass(failure),
    };
    if claim {
        meter.taken.add(1);
    }
    let written = match question.when.holds(&record) {
        Ok(true) => question.write(&record).await,
        // A stage that submits counts, and fails, its records itself.
        Ok(false) if !claim => return Ticket::Pass(Ok(record)),
        Ok(false) => {
            meter.done.add(1);
            return Ticket::Pass(Ok(record));
        }
        Err(error) => Err(WriteError::Expression(error)),
    };
    let written = match written {
        Ok(written) => written,
        Err(_) if !claim => return Ticket::Pass(Ok(record)),
        Err(error) => {
            meter.failed.add(1);
            return Ticket::Pass(Err(question.unwritten(record, &error)));
        }
    };
    let claim = match claim.then(|| context.claims.claim(written.id)) {
        Some(Claimed::Theirs(told)) => return Ticket::Shared(Box::new(Follower { record, written, told })),
        Some(Claimed::Ours(claim)) => Some(claim),
        None => None,
    };
    let history = History::new(context.generation());
    Ticket::Ask(Box::new(Ask { record, written, claim, history, until: 0 }))
}

/// Asks what is to be asked, and gives each record on when its answer is durable.
pub(crate) fn ask(
    tickets: BoxStream<'static, Ticket>,
    question: Arc<Question>,
    meter: Arc<Meter>,
    client: Client,
    context: Arc<Context>,
) -> RecordStream {
    let slots = Arc::new(match question.ask.concurrency {
        Concurrency::Fixed(count) => ConcurrencyLimiter::fixed(count),
        Concurrency::Auto { min, max } => ConcurrencyLimiter::auto(min, max),
    });
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
                    Ticket::Shared(follower) => shared(*follower, &question, &meter, &client, &context).await,
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
    let entries = batch
        .iter()
        .filter_map(|asked| match asked {
            Asked::Answered(answered) => Some(answered.last.clone()),
            Asked::Done(_) | Asked::Pending => None,
        })
        .collect::<Vec<_>>();
    let kept = entries.is_empty() || context.commit(entries).await;
    let outcomes = batch.into_iter().filter_map(|asked| match asked {
        Asked::Done(outcome) => Some(outcome),
        Asked::Answered(answered) if kept => {
            let Answered { record, settled, history, claim, .. } = *answered;
            if let Some(claim) = claim {
                claim.settle(history);
            }
            Some(told(question.outcome(record, settled), meter))
        }
        Asked::Answered(_) | Asked::Pending => None,
    });
    outcomes.collect()
}

fn told(outcome: Outcome, meter: &Meter) -> Outcome {
    match &outcome {
        Ok(_) => meter.done.add(1),
        Err(_) => meter.failed.add(1),
    }
    outcome
}

/// Waits for the answer that another record asked for, and judges it for this one. If it is refused here, this
/// record asks on.
async fn shared(
    follower: Follower,
    question: &Question,
    meter: &Meter,
    client: &Client,
    context: &Context,
) -> Asked {
    let Follower { record, mut written, mut told } = follower;
    let claimed = written.id;
    let fails = |record, reason: String| {
        meter.failed.add(1);
        Asked::Done(Err(question.failure(record, FailureKind::Unanswered, reason, 0)))
    };
    loop {
        let got = told.wait_for(Option::is_some).await.ok().and_then(|history| history.clone());
        let Some(history) = got else {
            if context.halt.is_stopped() {
                return Asked::Pending;
            }
            // What keeps it from being asked keeps this one, too.
            if let Ok(Err(error)) = context.may_be_asked(client, question, &written).await {
                return Asked::Done(self::told(Err(question.unwritten(record, &error)), meter));
            }
            return fails(record, "another record asks the same, and got no answer".to_owned());
        };
        match question.course(&record, &history, None, false) {
            Course::Settled(settled) => {
                meter.reused.add(1);
                return Asked::Done(self::told(question.outcome(record, settled), meter));
            }
            Course::Placed(job) => return fails(record, in_a_job(&job)),
            Course::Ask { .. } => {}
        }
        let claim = match context.claims.claim(claimed) {
            Claimed::Ours(claim) => claim,
            Claimed::Theirs(theirs) => {
                told = theirs;
                continue;
            }
        };
        // Others may have asked on in the meantime.
        let known = context.known(written.ids().collect()).await;
        let mut history = written.recalled(&known).unwrap_or((*history).clone());
        let Course::Ask { until } = question.course(&record, &history, None, false) else {
            let (sender, receiver) = watch::channel(Some(Arc::new(history.clone())));
            told = receiver;
            drop(sender);
            claim.settle(history);
            continue;
        };
        let anew = history.entries.last().and_then(|last| question.judged_anew(&record, last));
        if let Some(entry) = anew {
            history.entries.push(entry.clone());
            if !context.commit(vec![entry]).await {
                return Asked::Pending;
            }
        }
        let ask = Ask { record, written, claim: Some(claim), history, until };
        return answer(ask, question, meter, client, context).await;
    }
}

/// Asks until there is an answer that fits or no attempt is left.
async fn answer(ask: Ask, question: &Question, meter: &Meter, client: &Client, context: &Context) -> Asked {
    let Ask { record, written, claim, mut history, until } = ask;
    let policy = question.ask.retry;
    if let Err(reason) = context.may_ask(&question.stage) {
        let attempts = history.next_attempt() - 1;
        let failure = question.failure(record, FailureKind::Unanswered, reason, attempts);
        return Asked::Done(told(Err(failure), meter));
    }
    match context.may_be_asked(client, question, &written).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Asked::Done(told(Err(question.unwritten(record, &error)), meter)),
        Err(error) => {
            context.halt.fail(error);
            return Asked::Pending;
        }
    }
    loop {
        let attempt = history.next_attempt();
        let Sending { body, tokens, cost } = match question.sending(&record, &written, &history).await {
            Ok(sending) => sending,
            Err(error) => return Asked::Done(told(Err(question.unwritten(record, &error)), meter)),
        };
        let Some(reserved) = context.reserve(cost) else { return Asked::Pending };
        let model = &*written.model;
        let asked = client.ask(question.endpoint, model, body, tokens, policy, &meter.gauge).await;
        let step = match asked {
            Ok(said) => question.judged(model, said.reply, Some(said.latency), said.correlation_id),
            Err(CallError::Stopped) => return Asked::Pending,
            // A model that only the record names: the others may be there.
            Err(CallError::Stop(StopCause::Refused(error)))
                if (error.status == 404 || error.is_about_the_model())
                    && !question.ask.model.is_written(model) =>
            {
                let error = WriteError::Model(format!("`{model}` cannot be asked: {error}"));
                return Asked::Done(told(Err(question.unwritten(record, &error)), meter));
            }
            Err(CallError::Stop(cause)) => {
                context.halt.fail(cause);
                return Asked::Pending;
            }
            Err(CallError::Refused(error)) => Step::Invalid(error.to_string()),
            Err(error @ (CallError::Exhausted { .. } | CallError::Unsure { .. })) => {
                let failure = question.failure(record, FailureKind::Unanswered, error.to_string(), attempt);
                return Asked::Done(told(Err(failure), meter));
            }
        };
        reserved.settle(step.answer().and_then(|answer| answer.cost).unwrap_or_default());
        count(meter, &step);
        let last = question.entry(written.id, model, &record.key, history.generation, attempt, step);
        let last = question.judged_anew(&record, &last).unwrap_or(last);
        history.entries.push(last.clone());
        if let Err(error) = history.state() {
            context.halt.fail(RunError::from(StoreError::from(error)));
            return Asked::Pending;
        }
        if let Course::Settled(settled) = question.course(&record, &history, Some(until), false) {
            return Asked::Answered(Box::new(Answered { record, settled, history, last, claim }));
        }
        // The next attempt depends on this one having been made.
        if !context.commit(vec![last]).await || context.halt.is_stopped() {
            return Asked::Pending;
        }
    }
}
