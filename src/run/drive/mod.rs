//! From a plan to running streams: wired, stopped cleanly, resumed.
//!
//! [`wire`] is the one place that connects stages, [`shutdown`] the one that stops them, [`resume`] finds what an
//! earlier run has closed. Another engine would replace [`wire`] and read the same plan.

pub(crate) mod resume;
pub(crate) mod shutdown;
pub(crate) mod wire;
