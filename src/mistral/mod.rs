//! The HTTP edge: everything that is known of Mistral's API, and nothing of stages or YAML.

mod answer;
mod client;
mod connection;
mod endpoint;
mod error;
mod files;
mod gate;
mod http;
mod jobs;
mod ladder;
mod limits;
mod manage;
mod prices;
mod reply;
mod results;
mod told;
pub mod wire;

pub use answer::{Expected, read_answer};
pub use client::{Client, Gauge, Said};
pub use connection::{BASE_URL, Connection, Timeouts, account, region};
pub use endpoint::Endpoint;
pub use error::{ApiError, CallError, ClientError, FATES, Fate, StopCause};
pub use ladder::{HELD_UP, Patience};
pub use limits::Limits;
pub use prices::{PRICES_DATE, PRICES_SOURCE, PRICES_VERSION, Price, Prices, estimate_tokens, price};
pub use reply::{Reply, read_reply};
pub use results::{ResultRow, read_result};
