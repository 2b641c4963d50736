//! The HTTP edge: everything that is known of Mistral's API, and nothing of stages or YAML.

mod aimd;
mod answer;
mod breaker;
mod bucket;
mod call;
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
mod slots;
mod told;
pub mod wire;

pub use aimd::{Aimd, Sample};
pub use answer::{Expected, read_answer};
pub use call::{Gauge, Said};
pub use client::Client;
pub use connection::{Connection, Timeouts, account};
pub use endpoint::Endpoint;
pub use error::{ApiError, CallError, ClientError, FATES, Fate, StopCause};
pub use ladder::{HELD_UP, Patience};
pub use limits::Limits;
pub use prices::{PRICES_DATE, PRICES_SOURCE, PRICES_VERSION, Price, Prices, estimate_tokens, price};
pub use reply::{Reply, read_reply};
pub use results::{ResultRow, read_result};
pub use slots::Slots;
