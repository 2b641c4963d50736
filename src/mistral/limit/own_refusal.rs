//! A refusal that may concern all requests or only one: a 403, a 404, a redirect. Once any request to the model
//! has been answered, it concerns only this request; if all requests sent are refused alike, the run ends.
//!
//! The request waits here until that is known; called by [`Client::ask`](crate::mistral::Client::ask).

use std::time::Duration;

use tokio::time::sleep;

use crate::mistral::{ApiError, StopCause};

use super::limiter::Limiter;

/// How long nothing must be in flight before no answer is expected any more.
const QUIET: Duration = Duration::from_millis(250);

impl Limiter {
    /// Waits until it is known which requests a refusal concerns; returns the cause if it concerns all.
    ///
    /// # Errors
    /// Why no request is sent any more.
    pub(in crate::mistral) async fn own_refusal(&self, error: &ApiError) -> Result<(), StopCause> {
        let mut quiet_at = None;
        loop {
            let decided = self.decided.notified();
            {
                let mut state = self.state();
                if let Some(cause) = state.breaker.broken() {
                    return Err(cause.clone());
                }
                if state.breaker.has_answered() {
                    return Ok(());
                }
                let is_quiet = state.under_way == 0;
                if is_quiet && quiet_at == Some(state.sent) {
                    let cause = StopCause::Refused(error.clone());
                    state.breaker.end(cause.clone());
                    self.wake_all();
                    return Err(cause);
                }
                quiet_at = is_quiet.then_some(state.sent);
            }
            tokio::select! {
                () = decided => {}
                () = sleep(QUIET) => {}
            }
        }
    }
}
