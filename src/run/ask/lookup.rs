//! Looks up the records of a map that calls a model in the ledger, before they are paced or sent. Main type:
//! [`LookedUp`]; a stream of them is [`Lookups`], consumed by `send`.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio_util::sync::CancellationToken;

use crate::{
    ledger::History,
    record::{FailureKind, Outcome, Record, weight},
    request::{
        error::WriteError,
        model_map::ModelMap,
        verdict::{NextAction, Resolution},
        written::Written,
    },
    run::{
        ask::{
            calls::Calls,
            single_flight::{Joined, Leader, Shared},
        },
        progress::{counted::paced, meter::Meter},
    },
    stage::{Bounds, Pacer, RecordStream, chunk, prefetch, throttle},
};

/// The batch of records looked up together: a lookup costs the same for one record as for hundreds.
const LOOK_UP: Bounds = Bounds { items: 256, weight: 2_000_000, wait: Duration::from_millis(5) };

/// Smaller if files are read: the first record must not wait until hundreds are read.
const LOOK_UP_FILES: Bounds = Bounds { items: 8, ..LOOK_UP };

/// The most looked-up records that wait for a slot; they hold their texts.
const LOOKED_UP: usize = 16;

/// A record on its way to a map that calls a model.
pub(crate) enum LookedUp {
    /// No request is needed: it failed upstream, or its condition is false.
    Pass(Outcome),
    /// The ledger has its answer, or its final failure.
    Known(Record, Resolution),
    /// Another record has the same request.
    Shared(Box<Follower>),
    /// A request is needed.
    Ask(Box<Ask>),
}

/// A record whose request is claimed by another one.
pub(crate) struct Follower {
    pub(crate) record: Record,
    pub(crate) written: Written,
    pub(crate) shared: Shared,
}

/// A request to be sent.
pub(crate) struct Ask {
    pub(crate) record: Record,
    pub(crate) written: Written,
    pub(crate) claim: Option<Leader>,
    pub(crate) history: History,
    /// The last attempt that this run may make.
    pub(crate) until: u32,
}

impl LookedUp {
    /// The outcome without its lookup.
    fn into_outcome(self) -> Outcome {
        match self {
            Self::Pass(outcome) => outcome,
            Self::Known(record, _) => Ok(record),
            Self::Shared(follower) => Ok(follower.record),
            Self::Ask(ask) => Ok(ask.record),
        }
    }

    /// Whether it needs no request.
    fn is_free(&self) -> bool {
        !matches!(self, Self::Ask(_))
    }
}

/// The looked-up records of a stage.
pub(crate) struct Lookups {
    pub(crate) records: BoxStream<'static, LookedUp>,
    pub(crate) model_map: Arc<ModelMap>,
}

impl Lookups {
    /// Looks up the requests of a stage.
    ///
    /// Each request is claimed, so that records with the same request share an answer; a stage that submits jobs
    /// claims and looks up requests itself.
    pub(crate) fn of(
        input: RecordStream,
        model_map: Arc<ModelMap>,
        meter: &Arc<Meter>,
        calls: &Arc<Calls>,
    ) -> Self {
        let claim = model_map.ask.batch.is_none();
        let (asking, meter, calls) = (Arc::clone(&model_map), Arc::clone(meter), Arc::clone(calls));
        let together = if model_map.attaches() { LOOK_UP_FILES } else { LOOK_UP };
        let batches = chunk(input, together, weight);
        let looked_up = batches.then(move |batch| {
            let (model_map, meter, calls) = (Arc::clone(&asking), Arc::clone(&meter), Arc::clone(&calls));
            async move { stream::iter(look_up(batch, &model_map, claim, &meter, &calls).await) }
        });
        Self { records: prefetch(looked_up.flatten().boxed(), LOOKED_UP), model_map }
    }

    /// The same, paced; only requests that will be sent wait.
    pub(crate) fn paced(self, pacer: Arc<Mutex<Pacer>>, meter: &Arc<Meter>, stop: CancellationToken) -> Self {
        let (taken, counted) = (Arc::clone(meter), Arc::clone(meter));
        let records = self.records.inspect(move |_| taken.taken.add(1)).boxed();
        let records = throttle(records, pacer, LookedUp::is_free, paced(meter), stop);
        let records = records.inspect(move |_| counted.done.add(1)).boxed();
        Self { records, ..self }
    }

    /// The plain records, for a stage that looks into the ledger itself.
    pub(crate) fn into_records(self) -> RecordStream {
        self.records.map(LookedUp::into_outcome).boxed()
    }
}

async fn look_up(
    batch: Vec<Outcome>,
    model_map: &ModelMap,
    claim: bool,
    meter: &Meter,
    calls: &Calls,
) -> Vec<LookedUp> {
    let mut lookups: Vec<LookedUp> = Vec::with_capacity(batch.len());
    for outcome in batch {
        lookups.push(looked_up(outcome, model_map, claim, meter, calls).await);
    }
    let asks = lookups.iter().filter_map(|looked_up| match looked_up {
        LookedUp::Ask(ask) => Some(ask.written.ids()),
        _ => None,
    });
    let known = calls.database.known(asks.flatten().collect()).await;
    let mut revalidated = Vec::new();
    for looked_up in &mut lookups {
        let LookedUp::Ask(ask) = looked_up else { continue };
        if let Some(history) = ask.written.history_in(&known) {
            ask.history = history;
        }
        match model_map.judge.next_action(&ask.record, &ask.history, None, calls.retry_failed) {
            NextAction::Ask { until } => {
                ask.until = until;
                if claim
                    && let Some(last) = ask.history.entries.last()
                    && let Some(entry) = model_map.judge.revalidated(&ask.record, last)
                {
                    ask.history.entries.push(entry.clone());
                    revalidated.push(entry);
                }
            }
            // The submitting stage looks up the answer itself.
            NextAction::Resolution(_) if !claim => *looked_up = LookedUp::Pass(Ok(ask.record.clone())),
            NextAction::Resolution(settled) => {
                meter.reused.add(1);
                if let Some(claim) = ask.claim.take() {
                    claim.settle(ask.history.clone());
                }
                *looked_up = LookedUp::Known(ask.record.clone(), settled);
            }
            NextAction::Placed(job) if claim => {
                meter.failed.add(1);
                let failure =
                    model_map.failure(ask.record.clone(), FailureKind::Unanswered, in_a_job(&job), 0);
                *looked_up = LookedUp::Pass(Err(failure));
            }
            // The submitting stage resumes its own job, at no cost.
            NextAction::Placed(_) => *looked_up = LookedUp::Pass(Ok(ask.record.clone())),
        }
    }
    if !revalidated.is_empty() {
        calls.database.commit(revalidated).await;
    }
    lookups
}

pub(crate) fn in_a_job(job: &str) -> String {
    format!("its request is in batch job {job}, not yet collected: sending it now would pay for it twice")
}

async fn looked_up(
    outcome: Outcome,
    model_map: &ModelMap,
    claim: bool,
    meter: &Meter,
    calls: &Calls,
) -> LookedUp {
    let record = match outcome {
        Ok(record) => record,
        failure => return LookedUp::Pass(failure),
    };
    if claim {
        meter.taken.add(1);
    }
    let written = match model_map.when.holds(&record) {
        Ok(true) => model_map.write(&record).await,
        // A submitting stage counts and fails its records itself.
        Ok(false) if !claim => return LookedUp::Pass(Ok(record)),
        Ok(false) => {
            meter.done.add(1);
            return LookedUp::Pass(record.unrepaired());
        }
        Err(error) => Err(WriteError::Expression(error)),
    };
    let written = match written {
        Ok(written) => written,
        Err(_) if !claim => return LookedUp::Pass(Ok(record)),
        Err(error) => {
            meter.failed.add(1);
            return LookedUp::Pass(Err(model_map.unwritten(record, &error)));
        }
    };
    let claim = match claim.then(|| calls.in_flight.join(written.id)) {
        Some(Joined::Follower(shared)) => {
            return LookedUp::Shared(Box::new(Follower { record, written, shared }));
        }
        Some(Joined::Leader(claim)) => Some(claim),
        None => None,
    };
    let history = History::new(calls.database.generation());
    LookedUp::Ask(Box::new(Ask { record, written, claim, history, until: 0 }))
}
