//! `embed:` embeds a text.

use super::super::common::MODEL;
use super::{
    call::{CallKind, FieldSpec},
    input::{INPUT, only_input},
};
use crate::{
    record::LogicalType,
    spec::describe::{Key, Preset, Shape, Type, key},
};

pub(super) const KEY: Key = key(
    "embed",
    Type::Map(&SHAPE),
    "embed: { model: mistral-embed, input: \"{{ text }}\" }",
    "Embeds a text. The result is a list of numbers.",
);

pub(super) static KIND: CallKind = CallKind {
    name: "embed",
    path: "/v1/embeddings",
    verb: "embeds with",
    counts_pages: false,
    result: || LogicalType::List(Box::new(LogicalType::Double)),
    fields: |map| {
        let dimension: Option<u64> = map.get("dimension");
        let mut fields = only_input(map)?;
        fields.extend(dimension.map(|count| ("output_dimension", FieldSpec::Constant(count.into()))));
        Some(fields)
    },
};

static SHAPE: Shape = Shape::new(
    "embed",
    "`embed:`",
    "Embeds a text.",
    &[&[
        Key { example: "model: mistral-embed", ..MODEL },
        INPUT,
        key(
            "dimension",
            Type::Count("dimensions", 1, 1 << 16),
            "dimension: 256",
            "The length of the vector.",
        )
        .or(Preset::Says("the model's own")),
    ]],
);
