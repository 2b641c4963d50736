//! Rate and concurrency limits: when a request may be sent, and what follows a refusal or a failure.
//!
//! The [`Limiter`](limiter::Limiter) is the entry point: it holds the clock, the locks and the queue around the
//! pure [`Controller`](controller::Controller). `docs/decisions/pacing.md` explains the controller.

mod adaptive;
mod announced;
pub(super) mod backoff;
mod breaker;
mod bucket;
pub(super) mod concurrency;
mod controller;
mod evidence;
pub(super) mod gate;
mod history;
pub(super) mod limiter;
mod own_refusal;
mod phase;
mod previous_rate;
#[cfg(test)]
mod simulation;
mod transitions;
mod window;

pub use adaptive::AdaptiveLimit;
pub use backoff::{MIN_RATE_LIMIT_RETRIES, RetryPolicy};
pub use concurrency::ConcurrencyLimiter;
pub use limiter::Limits;
