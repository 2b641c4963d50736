//! The one way to start a task: it ends when its handle is dropped.

use std::future::Future;

use tokio_util::task::AbortOnDropHandle;

/// Starts a task that is aborted when the handle is dropped, so that nothing outlives what awaits it.
pub fn spawn<F>(future: F) -> AbortOnDropHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[expect(clippy::disallowed_methods, reason = "this is what the lint points to")]
    AbortOnDropHandle::new(tokio::spawn(future))
}

/// What a task gave; its panic goes on in the one who waited for it.
pub(crate) fn unwrap<T>(result: Result<T, tokio::task::JoinError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => None,
        },
    }
}
