//! What a run gives the requests of its stages. Main type: [`Setup`].

use std::sync::Mutex;

use crate::{mistral::Prices, sql::Engine};

use super::mock::Offline;

/// What a run gives the requests of its stages.
#[derive(Clone, Copy)]
pub(crate) struct Setup<'a> {
    /// Where expressions are evaluated.
    pub(crate) engine: &'a Mutex<Engine>,
    pub(crate) prices: &'a Prices,
    /// Whether a model without a price may not be asked.
    pub(crate) priced: bool,
    /// The pipeline whose requests share a cache at the server, where it has one.
    pub(crate) cached_for: Option<&'a str>,
    /// What a simulator is to answer, in an offline run.
    pub(crate) offline: Option<&'a Offline>,
}
