//! The HTTP edge: everything that is known of Mistral's API, and nothing of stages or YAML.

mod answer;
mod client;
mod endpoint;
mod error;
mod limits;
mod prices;
mod reply;
pub mod wire;

pub use answer::{Expected, read_answer};
pub use client::{Client, Connection, Gauge, Patience, Said};
pub use endpoint::Endpoint;
pub use error::{ApiError, CallError, ClientError, Fate};
pub use limits::Limits;
pub use prices::{PRICES_DATE, PRICES_SOURCE, PRICES_VERSION, Price, Prices, estimate_tokens, price};
pub use reply::{Reply, read_reply};
