//! The HTTP edge: everything that is known of Mistral's API, and nothing of stages or YAML.

mod answer;
mod client;
mod error;
mod limits;
mod prices;
pub mod wire;

pub use answer::{Expected, read_answer};
pub use client::{Client, Connection, Gauge, Patience, Said};
pub use error::{ApiError, CallError, ClientError, Fate};
pub use limits::Limits;
pub use prices::{Price, estimate_tokens, price};
