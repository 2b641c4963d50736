//! A run's resources for maps that call a model: ledger, budget, and permission to call. Main type: [`Calls`].

use crate::{
    run::{
        ask::{preflight::Preflight, single_flight::InFlightRequests},
        database::Database,
        money::budget::{Budget, Reserved},
    },
    units::Usd,
};

/// Shared by all maps that call a model in a run.
pub(crate) struct Calls {
    pub(crate) database: Database,
    pub(crate) in_flight: InFlightRequests,
    pub(crate) preflight: Preflight,
    pub(crate) budget: Budget,
    /// Whether permanently failed requests are retried.
    pub(crate) retry_failed: bool,
    /// The only stage that may call, if set.
    pub(crate) only: Option<String>,
}

impl Calls {
    /// Whether a stage may call in this run; the error is the reason.
    pub(crate) fn may_call(&self, stage: &str) -> Result<(), String> {
        match &self.only {
            Some(only) if only != stage => {
                Err(format!("left for later: only `{only}` sends requests in this run"))
            }
            _ => Ok(()),
        }
    }

    /// Reserves the cost of a job, or stops the run: no new work starts, requests in flight are finished.
    pub(crate) fn reserve(&self, cost: Usd) -> Option<Reserved> {
        self.database.shutdown.check(self.budget.reserve(cost))
    }

    /// The same for a request, once it fits; nothing if the run is stopped.
    pub(crate) async fn reserve_request(&self, cost: Usd) -> Option<Reserved> {
        let stopped = self.database.shutdown.token().cancelled_owned();
        let reserved = tokio::select! {
            biased;
            reserved = self.budget.reserve_request(cost) => reserved,
            () = stopped => return None,
        };
        self.database.shutdown.check(reserved)
    }
}
