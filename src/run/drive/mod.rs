//! From a plan to streams that run: wired, stopped in order, taken up again.
//!
//! [`wire`] is the one place that connects stages, [`shutdown`] the one that stops them, [`resume`] finds what an earlier
//! run has closed. Another engine that carries records would replace [`wire`], and read the same plan.

pub(crate) mod resume;
pub(crate) mod shutdown;
pub(crate) mod wire;
