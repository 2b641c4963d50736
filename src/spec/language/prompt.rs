//! A text for a model: a template in the spec, or in a separate file.

use crate::spec::{
    describe::{Shape, Type, Written, key},
    text::Text,
    value::{FromValue, Value},
};

/// A template in the spec, or in a separate file.
#[derive(Debug, Clone, PartialEq)]
pub enum Prompt {
    /// The template.
    Inline(Text),
    /// The path of the file.
    File(Text),
}

pub(super) const PROMPT: Type = Type::Either(&[Type::Text(Written::Template), Type::Map(&SHAPE)]);

static SHAPE: Shape = Shape::new(
    "prompt",
    "a prompt",
    "A template in a separate file.",
    &[&[key(
        "file",
        Type::Text(Written::Path),
        "file: prompt.md.j2",
        "The path of the file; it may include files in its folder or below.",
    )
    .required()]],
);

impl FromValue for Prompt {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(Self::Inline(text)),
            Value::Map(mut map) => map.get("file").map(Self::File),
            _ => None,
        }
    }
}
