//! Mistakes in what people write, each with its place.
//!
//! The closed list of everything that can be wrong with a spec, its prompts and its schemas. A
//! mistake is facts; its words are written here, once. Readers collect them and continue, so that
//! a person hears of all of them in one go.

mod advice;
mod excerpt;
mod fault;
mod mistake;
mod mistakes;
mod place;
mod query;
mod rows;
mod schema;
mod secrets;
mod warning;
mod words;

pub use fault::Fault;
pub use mistake::Mistake;
pub use mistakes::Mistakes;
pub(crate) use place::char_start;
pub use place::{Place, Source};
pub use query::QueryFault;
pub use rows::RowsFault;
pub use schema::SchemaFault;
pub(crate) use secrets::is_secret;
pub use warning::Warning;
pub use words::{meant, nearest};
