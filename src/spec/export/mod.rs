//! Outputs generated from the language description: JSON Schema, reference, explanations.

mod explain;
mod reference;
mod schema;
mod walk;

pub use explain::explain;
pub use reference::reference;
pub use schema::json_schema;

#[cfg(test)]
pub(super) use walk::shapes;
