//! What is made from the description of the language beside its reader: JSON Schema, reference, explanations.

mod explain;
mod reference;
mod schema;

use super::{
    describe::{Key, Shape},
    language::PIPELINE,
};

pub use explain::explain;
pub use reference::reference;
pub use schema::json_schema;

/// All mappings of the language, each once, in reading order.
pub(super) fn shapes() -> Vec<&'static Shape> {
    fn visit(shape: &'static Shape, found: &mut Vec<&'static Shape>) {
        if found.iter().any(|earlier| earlier.name == shape.name) {
            return;
        }
        found.push(shape);
        for inner in shape.keys().flat_map(|key| key.holds.shapes()) {
            visit(inner, found);
        }
    }
    let mut found = Vec::new();
    visit(&PIPELINE, &mut found);
    found
}

/// A key's sentence, and what it means if it is absent.
fn about(key: &Key) -> String {
    match key.default.written() {
        Some(default) => format!("{} Default: {default}.", key.about),
        None => key.about.to_owned(),
    }
}
