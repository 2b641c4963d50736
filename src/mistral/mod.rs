//! The HTTP edge: everything that is known of Mistral's API, and nothing of stages or YAML.

mod aimd;
mod answer;
mod breaker;
mod bucket;
mod call;
mod client;
mod connection;
mod decode;
mod ending;
mod endpoint;
mod error;
mod files;
mod gate;
mod http;
mod jobs;
mod json_repair;
mod ladder;
mod limits;
mod manage;
mod price_table;
mod prices;
mod received;
mod redirect;
mod reply;
mod results;
mod slots;
mod thinking;
mod told;
pub mod wire;

pub use aimd::{Aimd, Sample};
pub use answer::{Accepted, Expected, accept, read_answer};
pub use call::{Gauge, Said};
pub use client::Client;
pub use connection::{Connection, Timeouts, account};
pub use ending::{ENDINGS, Ending};
pub use endpoint::Endpoint;
pub use error::{ApiError, CallError, ClientError, FATES, Fate, StopCause};
pub use ladder::{HELD_UP, Patience};
pub use limits::Limits;
pub use prices::{
    PRICES_DATE, PRICES_SOURCE, Price, Prices, Used, context, estimate_tokens, least_tokens, price,
};
pub use received::received;
pub use reply::{Reply, read_reply};
pub use results::{ResultRow, read_result};
pub use slots::Slots;
pub use thinking::without_thinking;
