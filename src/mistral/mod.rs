//! The HTTP edge: all knowledge of Mistral's API, and nothing about stages or YAML.

mod answer;
mod attempt_error;
mod call;
mod client;
mod connection;
mod decode;
mod ending;
mod endpoint;
mod error;
mod expected;
mod files;
mod gauge;
mod http;
mod jobs;
mod json_repair;
mod key_mask;
mod limit;
mod lock;
mod management;
mod price_table;
mod prices;
mod rate_limit_headers;
mod reach;
mod received;
mod redirect;
mod reply;
mod results;
mod thinking;
pub mod wire;

pub use answer::{Accepted, accept, read_answer};
pub use call::CallResponse;
pub use client::Client;
pub use connection::{Connection, Timeouts, account};
pub use ending::{ENDINGS, Ending};
pub use endpoint::Endpoint;
pub use error::{ApiError, CallError, ClientError, ERROR_ACTIONS, ErrorAction, StopCause};
pub use expected::Expected;
pub use gauge::{Gauge, WaitCause, Waits};
pub use limit::{AdaptiveLimit, ConcurrencyLimiter, Limits, MIN_RATE_LIMIT_RETRIES, RetryPolicy};
pub(crate) use lock::unpoisoned;
pub use prices::{
    PRICES_DATE, PRICES_SOURCE, Price, Prices, Used, context, estimate_tokens, least_tokens, price, similar,
};
pub use received::received;
pub use reply::{Reply, read_reply};
pub use results::{ResultRow, read_result};
pub use thinking::without_thinking;
