//! Maps that call a model with single requests: look into the ledger, send what is missing, store each answer.
//!
//! [`lookup::Lookups`] and [`send::ask`] are the streams, called by `drive::wire`. [`single_flight`] lets records
//! with the same request share one answer, [`preflight`] checks a model before its first request. Knows nothing
//! about batch jobs.

pub(crate) mod calls;
pub(crate) mod lookup;
pub(crate) mod preflight;
pub(crate) mod send;
pub(crate) mod single_flight;
