//! `moderate:` checks whether a text is harmful.

use super::super::common::MODEL;
use super::{
    call::{CallKind, structure},
    input::{INPUT, only_input},
};
use crate::{
    record::LogicalType,
    spec::describe::{Key, Shape, Type, key},
};

pub(super) const KEY: Key = key(
    "moderate",
    Type::Map(&SHAPE),
    "moderate: { model: mistral-moderation-latest, input: \"{{ text }}\" }",
    "Says whether a text is harmful. The result has `flagged`, `categories` and `category_scores`.",
);

pub(super) static KIND: CallKind = CallKind {
    name: "moderate",
    path: "/v1/moderations",
    verb: "moderates with",
    counts_pages: false,
    result: || {
        structure(&[
            ("flagged", LogicalType::Boolean),
            ("categories", LogicalType::Json),
            ("category_scores", LogicalType::Json),
        ])
    },
    fields: only_input,
};

static SHAPE: Shape = Shape::new(
    "moderate",
    "`moderate:`",
    "Says whether a text is harmful.",
    &[&[Key { example: "model: mistral-moderation-latest", ..MODEL }, INPUT]],
);
