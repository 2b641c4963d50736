//! A refusal that may concern all requests or this one only: a 403, a 404, a redirect. Once any request of the
//! model has had an answer, it is the request's own; if all that were sent are refused like it, the run ends.
//!
//! The request waits here until one of the two is known; [`Client::ask`](crate::mistral::Client::ask) calls.

use std::time::Duration;

use tokio::time::sleep;

use crate::mistral::{ApiError, StopCause};

use super::limiter::Limiter;

/// So long nothing is under way: then no answer will come from what was sent.
const QUIET: Duration = Duration::from_millis(250);

impl Limiter {
    /// Waits until it is known whom a refusal concerns; gives the cause if it is all requests.
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
