//! What a map that calls a model has of its run: the ledger, the budget, and whether it may call. Main type: [`Calls`].

use crate::{
    run::{
        ask::{preflight::Preflight, single_flight::InFlightRequests},
        database::Database,
        money::budget::{Budget, Reserved},
    },
    units::Usd,
};

/// What all maps that call a model share in a run.
pub(crate) struct Calls {
    pub(crate) database: Database,
    pub(crate) in_flight: InFlightRequests,
    pub(crate) preflight: Preflight,
    pub(crate) budget: Budget,
    /// Whether what failed for good is asked again.
    pub(crate) retry_failed: bool,
    /// The only stage that may call.
    pub(crate) only: Option<String>,
}

impl Calls {
    /// Whether a stage may call in this run, or why not.
    pub(crate) fn may_call(&self, stage: &str) -> Result<(), String> {
        match &self.only {
            Some(only) if only != stage => Err(format!("left for later: this run asks only at `{only}`")),
            _ => Ok(()),
        }
    }

    /// Reserves the cost of a request, or stops the run: no new work, what is in flight is finished.
    pub(crate) fn reserve(&self, cost: Usd) -> Option<Reserved> {
        self.database.shutdown.check(self.budget.reserve(cost))
    }
}
