//! Shared by the folds over the description: all mappings, and a key's sentence with its default.

use crate::spec::{
    describe::{Key, Shape},
    language::PIPELINE,
};

/// All mappings of the language, without duplicates, in reading order.
pub(crate) fn shapes() -> Vec<&'static Shape> {
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

/// A key's sentence, and its default.
pub(super) fn about(key: &Key) -> String {
    match key.default.written() {
        Some(default) => format!("{} Default: {default}.", key.about),
        None => key.about.to_owned(),
    }
}
