//! `types:` of a source: column types that are declared instead of proven. Main type: [`TypesSpec`].

use crate::spec::{
    describe::{Key, Type, Written, key},
    text::{Name, Text},
    value::{Checked, FromValue, Own, Value},
};

/// `types:`
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TypesSpec {
    /// Every other column of a CSV file is text.
    pub text: bool,
    /// Columns with their types.
    pub of: Vec<(Name, Text)>,
}

/// Column types that are declared instead of proven.
pub(super) const KEY: Key = key(
    "types",
    Type::Either(&[Type::Text(Written::Plain), Type::Own(true, &Type::Text(Written::Plain), "column: type")]),
    "types: { zip: text, price: decimal }",
    "Types of columns that are declared instead of proven: `text`, `integer`, `number`, `decimal`, `boolean`, `date`, \
     `timestamp`, `json`, or a type of DuckDB; `types: text` makes every column of a CSV file text.",
);

/// `types:` of a mapping.
pub(super) fn declared(map: &mut Checked) -> TypesSpec {
    match map.take("types").map(|entry| entry.value) {
        Some(Value::Text(word)) => TypesSpec { text: word.value == "text", of: Vec::new() },
        Some(value) => {
            let of = Own::from_value(value).map(|Own(of)| of).unwrap_or_default();
            TypesSpec { text: false, of }
        }
        None => TypesSpec::default(),
    }
}
