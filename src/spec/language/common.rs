//! Keys shared by several stages.

use crate::spec::describe::{Key, Preset, Type, Written, key};

/// The first key of a stage: its kind, with its name as the value.
pub(super) const fn stage_name(kind: &'static str, example: &'static str) -> Key {
    key(kind, Type::Name, example, "The stage's name: letters, digits and `_`, a letter first.").required()
}

pub(super) const FROM: Key = key(
    "from",
    Type::Many(&Type::Text(Written::Port)),
    "from: [extract, extract.failed]",
    "What the stage reads: a stage, a port (`extract.failed`), or a list of them.",
)
.or(Preset::Says("the nearest stage above that is not a sink"));

pub(super) const WHEN: Key = key(
    "when",
    Type::Text(Written::Condition),
    "when: bytes < 800_000",
    "A map passes records for which it is false through unchanged; a sink skips them.",
);

pub(super) const INTO: Key =
    key("into", Type::Name, "into: extract", "The field that the result is written to.")
        .or(Preset::Says("the stage's name"));

pub(super) const MODEL: Key = key(
    "model",
    Type::Text(Written::Template),
    "model: mistral-small-latest",
    "The model, or a template that gives its name.",
)
.required();
