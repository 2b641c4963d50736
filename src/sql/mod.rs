//! SQL over records: DuckDB binds, checks and evaluates expressions, in memory and without any file.
//!
//! Main types: [`Engine`] (one in-memory database), [`Evaluator`] (expressions over chunks of records),
//! [`QueryFacts`] (what a query reads and returns). Depends on records and types, but not on stages, YAML or
//! the results database.

mod bind;
mod carrier;
mod cast;
mod chunk;
mod describe;
mod engine;
mod error;
mod evaluate;
mod explain;
mod functions;
mod lineage;
mod query;
mod read;
pub mod resources;
mod syntax;
mod tree;

#[cfg(test)]
mod tests;

pub use bind::{bind, condition, demanded, implicit_cast_in_query, volatile};
pub use cast::{cast_advice, number_compared_as_text};
pub use chunk::{Slot, register};
pub use describe::{columns, describe, without_rows};
pub use engine::Engine;
pub use error::{ExpressionError, SqlError, message};
pub use evaluate::{Evaluated, Evaluator};
pub use explain::{explained, reason};
pub use lineage::{ORIGINS, with_origins};
pub use query::{QueryFacts, Relation, facts};
pub use read::{carried, each_row};
pub use resources::{Limits, Resources};
pub use syntax::{is_keyword, unfinished};

/// A row of values in the order of a schema.
pub type Row = std::sync::Arc<[crate::record::Value]>;
