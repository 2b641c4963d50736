//! `classify:` classifies a text with a fine-tuned classifier.

use super::super::common::MODEL;
use super::{
    call::CallKind,
    input::{INPUT, only_input},
};
use crate::{
    record::LogicalType,
    spec::describe::{Key, Shape, Type, key},
};

pub(super) const KEY: Key = key(
    "classify",
    Type::Map(&SHAPE),
    "classify: { model: \"ft:classifier:…\", input: \"{{ text }}\" }",
    "Classifies a text with a fine-tuned classifier. The result has the classes and their scores.",
);

pub(super) static KIND: CallKind = CallKind {
    name: "classify",
    path: "/v1/classifications",
    verb: "classifies with",
    counts_pages: false,
    result: || LogicalType::Json,
    fields: only_input,
};

static SHAPE: Shape = Shape::new(
    "classify",
    "`classify:`",
    "Classifies a text with a fine-tuned classifier.",
    &[&[Key { example: "model: ft:classifier:…", ..MODEL }, INPUT]],
);
