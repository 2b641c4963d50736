//! The budget: costs in flight are reserved, answered requests are spent.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
};

use tokio::sync::Notify;

use crate::{run::error::RunError, units::Usd};

/// The budget, the amount spent, and the amounts reserved for requests and jobs in flight.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    sums: Arc<Mutex<Sums>>,
    /// A request has released its reservation.
    released: Arc<Notify>,
}

#[derive(Debug, Clone, Copy)]
struct Sums {
    budget: Option<u64>,
    spent: u64,
    /// Reserved by jobs.
    jobs: u64,
    /// Reserved by requests, which release it within minutes.
    requests: u64,
}

/// Who reserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Job,
    Request,
}

/// The reserved cost of a request or a job in flight; released on drop.
pub(crate) struct Reserved {
    budget: Budget,
    micros: u64,
    by: By,
}

impl Sums {
    fn of(&mut self, by: By) -> &mut u64 {
        match by {
            By::Job => &mut self.jobs,
            By::Request => &mut self.requests,
        }
    }

    /// Whether a cost fits beside this amount.
    fn fits(&self, beside: u64, micros: u64) -> bool {
        self.budget.is_none_or(|budget| beside + micros <= budget)
    }
}

impl Budget {
    /// A budget, of which some has been spent before.
    pub(crate) fn new(budget: Option<Usd>, spent: Usd) -> Self {
        let sums = Sums { budget: budget.map(Usd::micros), spent: spent.micros(), jobs: 0, requests: 0 };
        Self { sums: Arc::new(Mutex::new(sums)), released: Arc::default() }
    }

    /// Whether there is a budget.
    pub(crate) fn is_limited(&self) -> bool {
        self.sums.lock().is_ok_and(|sums| sums.budget.is_some())
    }

    /// Reserves the cost of a job; fails if it exceeds the budget.
    pub(crate) fn reserve(&self, cost: Usd) -> Result<Reserved, RunError> {
        self.take(By::Job, cost).map_err(|(error, _)| error)
    }

    /// Reserves the cost of a request. What is reserved is the worst case: while others in flight may cost less, it
    /// waits for them; it fails if it exceeds the budget even without them.
    pub(crate) async fn reserve_request(&self, cost: Usd) -> Result<Reserved, RunError> {
        loop {
            let mut released = pin!(self.released.notified());
            released.as_mut().enable();
            match self.take(By::Request, cost) {
                Ok(reserved) => return Ok(reserved),
                Err((error, false)) => return Err(error),
                Err((_, true)) => released.await,
            }
        }
    }

    /// Reserves a cost; the error comes with whether it may fit once the requests in flight have ended.
    fn take(&self, by: By, cost: Usd) -> Result<Reserved, (RunError, bool)> {
        let micros = cost.micros();
        // Nothing panics while holding the lock.
        if let Ok(mut sums) = self.sums.lock() {
            let without = sums.spent + sums.jobs;
            if !sums.fits(without + sums.requests, micros) {
                let error = RunError::Budget {
                    budget: Usd::from_micros(sums.budget.unwrap_or_default()),
                    spent: Usd::from_micros(sums.spent),
                    reserved: Usd::from_micros(sums.jobs + sums.requests),
                    next: cost,
                };
                return Err((error, sums.requests > 0 && sums.fits(without, micros)));
            }
            *sums.of(by) += micros;
        }
        Ok(Reserved { budget: self.clone(), micros, by })
    }

    /// Reserves the cost of a job already in flight, whatever the budget.
    pub(crate) fn reserve_unchecked(&self, cost: Usd) -> Reserved {
        let micros = cost.micros();
        if let Ok(mut sums) = self.sums.lock() {
            sums.jobs += micros;
        }
        Reserved { budget: self.clone(), micros, by: By::Job }
    }

    /// Adds a cost.
    pub(crate) fn spend(&self, cost: Usd) {
        if let Ok(mut sums) = self.sums.lock() {
            sums.spent += cost.micros();
        }
    }
}

impl Reserved {
    /// Replaces the reservation with the actual cost.
    pub(crate) fn settle(mut self, cost: Usd) {
        self.exchange(cost, self.micros);
    }

    /// Replaces a part of the reservation with the cost so far.
    pub(crate) fn settle_part(&mut self, cost: Usd) {
        self.exchange(cost, cost.micros().min(self.micros));
    }

    /// Spends and releases at once: in between, a cost would count twice or not at all.
    fn exchange(&mut self, cost: Usd, released: u64) {
        if let Ok(mut sums) = self.budget.sums.lock() {
            sums.spent += cost.micros();
            let reserved = sums.of(self.by);
            *reserved = reserved.saturating_sub(released);
            self.micros -= released;
        }
        self.budget.released.notify_waiters();
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Ok(mut sums) = self.budget.sums.lock() {
            let reserved = sums.of(self.by);
            *reserved = reserved.saturating_sub(self.micros);
        }
        self.budget.released.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_counts_until_it_has_come() {
        let usd = Usd::from_micros;
        let budget = Budget::new(Some(usd(100)), usd(10));
        let first = budget.reserve(usd(50)).ok().unwrap();
        let second = budget.reserve(usd(40)).ok().unwrap();
        assert!(budget.reserve(usd(1)).is_err(), "10 are spent and 90 may be");
        first.settle(usd(20));
        drop(second);
        assert!(budget.reserve(usd(71)).is_err(), "30 are spent");
        assert!(budget.reserve(usd(70)).is_ok());
        assert!(Budget::new(None, usd(0)).reserve(usd(u64::MAX / 2)).is_ok());
    }
    #[tokio::test]
    async fn a_request_waits_for_others_that_may_cost_less() {
        let usd = Usd::from_micros;
        let budget = Budget::new(Some(usd(100)), usd(0));
        let job = budget.reserve(usd(30)).ok().unwrap();
        let first = budget.reserve_request(usd(50)).await.ok().unwrap();
        assert!(budget.reserve(usd(40)).is_err(), "a job never waits");
        let waiting = budget.reserve_request(usd(40));
        let mut waiting = pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        first.settle(usd(20));
        let second = waiting.await.ok().unwrap();
        assert!(budget.reserve_request(usd(60)).await.is_err(), "20 are spent, and the job may cost 30");
        second.settle(usd(40));
        assert!(budget.reserve_request(usd(20)).await.is_err(), "only the job is in flight");
        drop(job);
        assert!(budget.reserve_request(usd(40)).await.is_ok());
    }

    #[test]
    fn a_job_that_continues_keeps_what_it_may_still_cost() {
        let usd = Usd::from_micros;
        let budget = Budget::new(Some(usd(100)), usd(0));
        let mut job = budget.reserve(usd(90)).ok().unwrap();
        job.settle_part(usd(30));
        assert!(budget.reserve(usd(11)).is_err(), "30 are spent, and 60 may be");
        assert!(budget.reserve(usd(10)).is_ok());
        job.settle_part(usd(70));
        assert!(budget.reserve(usd(1)).is_err(), "it cost more than was reserved");
    }
}
