//! The budget of a run and the estimate of its cost: budget, models without a price, dry run.
//!
//! The cost of a single request is determined in `request::cost`. Knows nothing about how requests are sent.

pub(crate) mod budget;
pub(crate) mod estimate;
pub(crate) mod priced;
