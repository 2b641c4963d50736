//! A gate that is shut for a while after a 429, for everybody who comes to it.

use std::sync::Mutex;

use tokio::time::{Instant, sleep_until};

/// A gate; open until somebody shuts it.
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<Option<Instant>>);

impl Gate {
    /// Shuts it until then; a pause that is under way is not shortened.
    pub(super) fn park(&self, until: Instant) {
        if let Ok(mut shut) = self.0.lock() {
            *shut = Some(shut.map_or(until, |known| known.max(until)));
        }
    }

    /// When it opens again, if it is shut now.
    pub(super) fn until(&self) -> Option<Instant> {
        let until = self.0.lock().ok().and_then(|shut| *shut)?;
        (until > Instant::now()).then_some(until)
    }

    /// Waits until it is open; a pause may be made longer while one waits.
    pub(super) async fn pass(&self) {
        while let Some(until) = self.until() {
            sleep_until(until).await;
        }
    }
}
