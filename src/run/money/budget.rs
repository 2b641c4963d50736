//! The budget: costs in flight are reserved, answered requests are spent.

use std::sync::{Arc, Mutex};

use crate::{run::error::RunError, units::Usd};

/// The budget, the amount spent, and the amount reserved for requests in flight.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Arc<Mutex<Sums>>);

#[derive(Debug, Clone, Copy)]
struct Sums {
    budget: Option<u64>,
    spent: u64,
    reserved: u64,
}

/// The reserved cost of a request in flight; released on drop.
pub(crate) struct Reserved {
    budget: Budget,
    micros: u64,
}

impl Budget {
    /// A budget, of which some has been spent before.
    pub(crate) fn new(budget: Option<Usd>, spent: Usd) -> Self {
        let sums = Sums { budget: budget.map(Usd::micros), spent: spent.micros(), reserved: 0 };
        Self(Arc::new(Mutex::new(sums)))
    }

    /// Whether there is a budget.
    pub(crate) fn is_limited(&self) -> bool {
        self.0.lock().is_ok_and(|sums| sums.budget.is_some())
    }

    /// Reserves the cost of a request; fails if it exceeds the budget.
    pub(crate) fn reserve(&self, cost: Usd) -> Result<Reserved, RunError> {
        let micros = cost.micros();
        // Nothing panics while holding the lock.
        if let Ok(mut sums) = self.0.lock() {
            if let Some(budget) = sums.budget
                && sums.spent + sums.reserved + micros > budget
            {
                return Err(RunError::Budget {
                    budget: Usd::from_micros(budget),
                    spent: Usd::from_micros(sums.spent),
                    reserved: Usd::from_micros(sums.reserved),
                    next: cost,
                });
            }
            sums.reserved += micros;
        }
        Ok(Reserved { budget: self.clone(), micros })
    }

    /// Reserves the cost of work already in flight, whatever the budget.
    pub(crate) fn reserve_unchecked(&self, cost: Usd) -> Reserved {
        if let Ok(mut sums) = self.0.lock() {
            sums.reserved += cost.micros();
        }
        Reserved { budget: self.clone(), micros: cost.micros() }
    }

    /// Adds a cost.
    pub(crate) fn spend(&self, cost: Usd) {
        if let Ok(mut sums) = self.0.lock() {
            sums.spent += cost.micros();
        }
    }
}

impl Reserved {
    /// Replaces the reservation with the actual cost.
    pub(crate) fn settle(self, cost: Usd) {
        self.budget.spend(cost);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Ok(mut sums) = self.budget.0.lock() {
            sums.reserved = sums.reserved.saturating_sub(self.micros);
        }
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
}
