//! `map:` with `fields:`, `keep:`, `drop:` or `rename:`: its keys and what they are read into.

use super::common::{FROM, WHEN, stage_name};
use crate::spec::{
    describe::{Choice, Shape, Type, Written, key},
    text::{Name, Text},
    value::{Checked, Own},
};

/// `map:` with `fields:`, `keep:`, `drop:`, `rename:`
#[derive(Debug, Clone, PartialEq)]
pub struct FieldsSpec {
    /// New fields and the expressions that give them.
    pub set: Vec<(Name, Text)>,
    /// Of the fields from above only these.
    pub keep: Option<Vec<Text>>,
    /// Without these.
    pub drop: Vec<Text>,
    /// New name, old name.
    pub rename: Vec<(Name, Text)>,
}

const FIELDS: Type = Type::Many(&Type::Text(Written::Field));

pub(crate) static SHAPE: Shape = Shape {
    family: "a map",
    ..Shape::new(
        "reshapes",
        "a map with `fields:`",
        "Adds, keeps, drops or renames fields.",
        &[&[
            stage_name("map", "map: shape"),
            FROM,
            WHEN,
            key(
                "fields",
                Type::Own(true, &Type::Text(Written::Expression), "name: expression"),
                "fields: { length: length(text) }",
                "New fields, each with the expression that gives it.",
            ),
            key("keep", FIELDS, "keep: [path, text]", "Keeps only these of the fields from above."),
            key("drop", FIELDS, "drop: text", "Drops these fields."),
            key(
                "rename",
                Type::Own(true, &Type::Text(Written::Field), "new: old"),
                "rename: { file_name: name }",
                "Renames fields: new name, old name.",
            ),
        ]],
    )
    .choice(Choice::Some(&["fields", "keep", "drop", "rename"]))
};

pub(super) fn build(mut map: Checked) -> FieldsSpec {
    let mut own = |key: &str| map.get(key).map(|Own(entries)| entries).unwrap_or_default();
    let (set, rename) = (own("fields"), own("rename"));
    FieldsSpec { set, keep: map.get("keep"), drop: map.get("drop").unwrap_or_default(), rename }
}
