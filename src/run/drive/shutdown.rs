//! What ends a run early: the user (Ctrl-C and other signals, which `cli/run.rs` receives), or an error that
//! affects all records.

use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;

use crate::{event::RunEnd, run::error::RunError};

/// Shared by all tasks. Once it is stopped, nothing new starts; work in flight is finished and stored.
#[derive(Clone, Default)]
pub(crate) struct Shutdown {
    stop: CancellationToken,
    fatal: Arc<Mutex<Option<RunError>>>,
}

impl Shutdown {
    /// One that the user's token stops as well.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self { stop, fatal: Arc::default() }
    }

    pub(crate) fn token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Stops everything because of an error; only the first one is reported.
    pub(crate) fn fail(&self, error: impl Into<RunError>) {
        if let Ok(mut fatal) = self.fatal.lock() {
            // Later errors usually follow from the first.
            fatal.get_or_insert(error.into());
        }
        self.stop.cancel();
    }

    /// The value, or `None` after an error that stops everything.
    pub(crate) fn check<T, E: Into<RunError>>(&self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.fail(error)).ok()
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// The error that stopped everything, if any.
    pub(crate) fn take(&self) -> Option<RunError> {
        self.fatal.lock().ok().and_then(|mut fatal| fatal.take())
    }

    /// The end of the run, if an error stopped it.
    pub(crate) fn end(&self) -> Option<RunEnd> {
        let fatal = self.fatal.lock().ok()?;
        let error = fatal.as_ref()?;
        let reported = error.to_string();
        Some(if error.is_about_money() { RunEnd::OutOfMoney(reported) } else { RunEnd::Fatal(reported) })
    }
}
