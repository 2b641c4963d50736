//! The budget: what is under way is reserved, what has come is spent.

use std::sync::{Arc, Mutex};

use crate::{
    run::{RunError, context::Context},
    units::Usd,
};

/// What may be spent, what was, and what may yet be by what is under way.
#[derive(Debug, Clone)]
pub(crate) struct Purse(Arc<Mutex<Sums>>);

#[derive(Debug, Clone, Copy)]
struct Sums {
    budget: Option<u64>,
    spent: u64,
    reserved: u64,
}

/// The cost of a request that is under way; given back when dropped.
pub(crate) struct Reserved {
    purse: Purse,
    micros: u64,
}

impl Purse {
    /// A purse out of which something has been spent before.
    pub(crate) fn new(budget: Option<Usd>, spent: Usd) -> Self {
        let sums = Sums { budget: budget.map(Usd::micros), spent: spent.micros(), reserved: 0 };
        Self(Arc::new(Mutex::new(sums)))
    }

    /// Whether there is a budget.
    pub(crate) fn is_limited(&self) -> bool {
        self.0.lock().is_ok_and(|sums| sums.budget.is_some())
    }

    /// Reserves the cost of a request; nothing if the budget does not have it.
    pub(crate) fn reserve(&self, cost: Usd) -> Result<Reserved, RunError> {
        let micros = cost.micros();
        // Nothing in here can panic while the lock is held.
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
        Ok(Reserved { purse: self.clone(), micros })
    }

    /// Reserves the cost of what is under way already, whatever the budget says.
    pub(crate) fn must_reserve(&self, cost: Usd) -> Reserved {
        if let Ok(mut sums) = self.0.lock() {
            sums.reserved += cost.micros();
        }
        Reserved { purse: self.clone(), micros: cost.micros() }
    }

    /// Something has been spent.
    pub(crate) fn spend(&self, cost: Usd) {
        if let Ok(mut sums) = self.0.lock() {
            sums.spent += cost.micros();
        }
    }
}

impl Reserved {
    /// What was reserved has become this cost.
    pub(crate) fn settle(self, cost: Usd) {
        self.purse.spend(cost);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Ok(mut sums) = self.purse.0.lock() {
            sums.reserved = sums.reserved.saturating_sub(self.micros);
        }
    }
}

impl Context {
    /// Reserves the cost of a request, or stops the run: no new work, what is under way is finished.
    pub(crate) fn reserve(&self, cost: Usd) -> Option<Reserved> {
        self.halt.check(self.purse.reserve(cost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_counts_until_it_has_come() {
        let usd = Usd::from_micros;
        let purse = Purse::new(Some(usd(100)), usd(10));
        let first = purse.reserve(usd(50)).ok().unwrap();
        let second = purse.reserve(usd(40)).ok().unwrap();
        assert!(purse.reserve(usd(1)).is_err(), "10 are spent and 90 may be");
        first.settle(usd(20));
        drop(second);
        assert!(purse.reserve(usd(71)).is_err(), "30 are spent");
        assert!(purse.reserve(usd(70)).is_ok());
        assert!(Purse::new(None, usd(0)).reserve(usd(u64::MAX / 2)).is_ok());
    }
}
