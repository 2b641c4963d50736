//! `map:` with `fields:`, `keep:`, `drop:` or `rename:`: its keys, and the struct they are read into.

use super::{
    common::{FROM, WHEN, stage_name},
    prompt::{PROMPT, Prompt},
};
use crate::spec::{
    describe::{Choice, Shape, Type, Written, key},
    text::{Name, Text},
    value::{Checked, FromValue, Own, Value},
};

/// `map:` with `fields:`, `keep:`, `drop:`, `rename:`
#[derive(Debug, Clone, PartialEq)]
pub struct FieldsSpec {
    /// New fields and their values.
    pub set: Vec<(Name, NewField)>,
    /// The only input fields to keep.
    pub keep: Option<Vec<Text>>,
    /// The input fields to drop.
    pub drop: Vec<Text>,
    /// New name, old name.
    pub rename: Vec<(Name, Text)>,
}

/// The value of a new field.
#[derive(Debug, Clone, PartialEq)]
pub enum NewField {
    /// An expression.
    Expression(Text),
    /// A template, rendered to a text.
    Template(Prompt),
}

impl FromValue for NewField {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(Self::Expression(text)),
            Value::Map(mut map) => map.get("text").map(Self::Template),
            _ => None,
        }
    }
}

static TEXT: Shape = Shape::new(
    "text_field",
    "a field that is a text",
    "A text that a template writes, where an expression would be unwieldy.",
    &[&[key(
        "text",
        PROMPT,
        "text: \"{% for line in lines %}{{ line.name }}\\n{% endfor %}\"",
        "The template; NULL fails the record unless the template says what to do.",
    )
    .required()]],
);

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
                Type::Own(
                    true,
                    &Type::Either(&[Type::Text(Written::Expression), Type::Map(&TEXT)]),
                    "name: expression",
                ),
                "fields: { length: length(text) }",
                "New fields, each with the expression that gives it, or `{ text: … }` with a template.",
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
    let set = map.get("fields").map(|Own(entries)| entries).unwrap_or_default();
    let rename = map.get("rename").map(|Own(entries)| entries).unwrap_or_default();
    FieldsSpec { set, keep: map.get("keep"), drop: map.get("drop").unwrap_or_default(), rename }
}
