//! The HTTP edge: everything that is known of Mistral's API, and nothing of stages or YAML.

mod answer;
mod call;
mod client;
mod connection;
mod endpoint;
mod error;
mod fault;
mod files;
mod gauge;
mod http;
mod jobs;
mod limit;
mod lock;
mod management;
mod prices;
mod rate_limit_headers;
mod reply;
mod results;
pub mod wire;

pub use answer::{Expected, read_answer};
pub use call::CallResponse;
pub use client::Client;
pub use connection::{Connection, Timeouts, account};
pub use endpoint::Endpoint;
pub use error::{ApiError, CallError, ClientError, ERROR_ACTIONS, ErrorAction, StopCause};
pub use gauge::{Gauge, WaitCause, Waits};
pub use limit::{AdaptiveLimit, ConcurrencyLimiter, Limits, MIN_RATE_LIMIT_RETRIES, RetryPolicy};
pub use prices::{PRICES_DATE, PRICES_SOURCE, PRICES_VERSION, Price, Prices, estimate_tokens, price};
pub use reply::{Reply, read_reply};
pub use results::{ResultRow, read_result};
