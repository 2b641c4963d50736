//! `ocr:` reads the text of a document or an image.

use super::super::common::MODEL;
use super::call::{CallKind, FieldSpec, structure};
use crate::{
    record::LogicalType,
    spec::{
        describe::{Key, Preset, Shape, Type, Written, key},
        text::Text,
    },
};

pub(super) const KEY: Key = key(
    "ocr",
    Type::Map(&SHAPE),
    "ocr: { model: mistral-ocr-latest, document: \"{{ file }}\" }",
    "Reads the text of a document or an image. The result has `markdown` and `pages`.",
);

pub(super) static KIND: CallKind = CallKind {
    name: "ocr",
    path: "/v1/ocr",
    verb: "reads documents with",
    counts_pages: true,
    result: || {
        let page = structure(&[("index", LogicalType::BigInt), ("markdown", LogicalType::Varchar)]);
        structure(&[("markdown", LogicalType::Varchar), ("pages", LogicalType::List(Box::new(page)))])
    },
    fields: |map| {
        let pages: Option<Text> = map.get("pages");
        let mut fields = vec![("document", FieldSpec::Document(map.get("document")?))];
        fields.extend(pages.map(|pages| ("pages", FieldSpec::Constant(pages.value.into()))));
        Some(fields)
    },
};

static SHAPE: Shape = Shape::new(
    "ocr",
    "`ocr:`",
    "Reads the text of a document or an image.",
    &[&[
        Key { example: "model: mistral-ocr-latest", ..MODEL },
        key(
            "document",
            Type::Text(Written::Template),
            "document: \"{{ url }}\"",
            "The URL or the path of the document or image.",
        )
        .required(),
        key("pages", Type::Text(Written::Plain), "pages: 0,2-5", "Pages, counted from 0.")
            .or(Preset::Says("all pages")),
    ]],
);
