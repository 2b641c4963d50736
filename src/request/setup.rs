//! What a run provides for the requests of its stages. Main type: [`Setup`].

use std::sync::Mutex;

use crate::{mistral::Prices, sql::Engine};

use super::mock::Offline;

/// What a run provides for the requests of its stages.
#[derive(Clone, Copy)]
pub(crate) struct Setup<'a> {
    /// The engine that evaluates expressions.
    pub(crate) engine: &'a Mutex<Engine>,
    pub(crate) prices: &'a Prices,
    /// Whether models without a price are forbidden.
    pub(crate) priced: bool,
    /// The pipeline whose requests share a cache at the server, if any.
    pub(crate) cached_for: Option<&'a str>,
    /// The simulator's answers, in an offline run.
    pub(crate) offline: Option<&'a Offline>,
}
