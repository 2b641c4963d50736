//! Mistakes in user-written text, each with its place.
//!
//! The closed list of faults of a spec, its prompts and its schemas. A mistake holds facts; its texts are
//! only written here. Readers collect mistakes and continue, so that the user sees all of them at once.

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
