//! Supervised tasks: the only place that starts one.
//!
//! A task ends when its handle is dropped, and its panic continues in whatever awaits it. The lint
//! `clippy::disallowed_methods` rejects every other way to start a task or create a queue, so that unsupervised
//! ones cannot slip in. Main types: [`Feed`] (a stream from a task) and [`Fate`] (how a task ended, for several
//! readers).

mod batch_sender;
mod fate;
mod feed;

use std::{any::Any, future::Future};

use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

pub use batch_sender::BatchSender;
pub use fate::Fate;
pub use feed::{Feed, FeedReader, ReaderGone, blocking_feed, feed, open};

/// Starts a task that is aborted when the handle is dropped.
pub fn spawn<F>(future: F) -> AbortOnDropHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[expect(clippy::disallowed_methods, reason = "the lint points here")]
    AbortOnDropHandle::new(tokio::spawn(future))
}

/// Starts blocking work. It cannot be aborted, so it must return on its own, at the latest when the queue that it
/// writes to has no reader.
pub fn spawn_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> AbortOnDropHandle<T> {
    #[expect(clippy::disallowed_methods, reason = "the lint points here")]
    AbortOnDropHandle::new(tokio::task::spawn_blocking(work))
}

/// Does blocking work and waits for it; `None` only while the runtime shuts down.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    joined(spawn_blocking(work).await)
}

/// The result of a task. Its panic continues here; `None` only for a task cancelled by the runtime's shutdown,
/// whose result has no reader.
pub fn joined<T>(result: Result<T, JoinError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => None,
        },
    }
}

/// The message of a panic.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
