//! The counts of a stage that calls a model: tokens and cost of answers, and records that wait for a pace.

use std::sync::{Arc, atomic::Ordering};

use crate::{ledger::Step, run::progress::meter::Meter};

/// Counts the usage and the cost of an answer.
pub(crate) fn count(meter: &Meter, step: &Step) {
    let Some(answer) = step.answer() else { return };
    meter.prompt_tokens.add(answer.prompt_tokens);
    meter.cached_tokens.add(answer.cached_tokens);
    meter.completion_tokens.add(answer.completion_tokens);
    match answer.cost {
        Some(cost) => meter.cost_micros.add(cost.micros()),
        None => meter.unpriced.add(1),
    }
}

/// Reports records that wait for a pace to a meter.
pub(crate) fn paced(meter: &Arc<Meter>) -> impl Fn(i64) + Send + 'static {
    let meter = Arc::clone(meter);
    move |change| {
        meter.paced.fetch_add(change, Ordering::Relaxed);
    }
}
