//! What a run may cost and what it would cost: the budget, models without a price, the dry run.
//!
//! What a single request costs is decided in `request::cost`. Knows nothing of how requests are sent.

pub(crate) mod budget;
pub(crate) mod estimate;
pub(crate) mod priced;
