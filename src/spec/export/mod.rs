//! What is made from the description of the language beside its reader: JSON Schema, reference, explanations.

mod explain;
mod reference;
mod schema;
mod walk;

pub use explain::explain;
pub use reference::reference;
pub use schema::json_schema;

#[cfg(test)]
pub(super) use walk::shapes;
