//! `csv:` of a source: the format of its files. Main type: [`CsvSpec`].

use crate::{
    read::{Csv, Encoding},
    spec::{
        describe::{Key, Preset, Shape, Type, Word, Written, key},
        text::Text,
        value::{Checked, FromValue, Value},
    },
};

use super::types::{self, TypesSpec};

/// `csv:` of a source
#[derive(Debug, Clone, PartialEq)]
pub struct CsvSpec {
    /// The files.
    pub path: Text,
    /// Their format.
    pub options: Csv,
}

const EITHER: &[Type] = &[Type::Text(Written::Pattern), Type::Map(&CSV)];

pub(super) const KEY: Key = key(
    "csv",
    Type::Either(EITHER),
    "csv: texts.csv",
    "One record per line of CSV files (RFC 4180): a path or a pattern, or `csv: { path: texts.csv, … }`. A type \
     is proven over all values, or the column is text.",
);

static CSV: Shape = Shape::new(
    "csv",
    "`csv:`",
    "CSV files and what they look like.",
    &[&[
        key("path", Type::Text(Written::Pattern), "path: texts.csv", "A path or a pattern.").required(),
        key("delimiter", Type::Text(Written::Plain), "delimiter: \";\"", "The separator, one character.")
            .or(Preset::Says("found in the header line among `,` `;` tab and `|`")),
        key("header", Type::Flag, "header: false", "Whether the first line has the column names.")
            .or(Preset::Flag(true)),
        key(
            "quote",
            Type::Text(Written::Plain),
            "quote: \"'\"",
            "The character that values are quoted with; empty for none.",
        )
        .or(Preset::Says("`'\"'`")),
        key(
            "encoding",
            Type::Word(
                "encoding",
                &[
                    Word("utf-8", "UTF-8, or what a byte order mark says"),
                    Word("utf-16le", "UTF-16, little-endian"),
                    Word("utf-16be", "UTF-16, big-endian"),
                    Word("latin-1", "ISO 8859-1"),
                    Word("windows-1252", "Latin-1 with typographic quotes and the euro sign"),
                ],
            ),
            "encoding: latin-1",
            "The encoding of a file without a byte order mark.",
        )
        .or(Preset::Says("`utf-8`")),
        key(
            "nulls",
            Type::Many(&Type::Text(Written::Plain)),
            "nulls: [NA, '-']",
            "Texts that mean NULL. An empty field without quotes always does.",
        ),
        key(
            "skip",
            Type::Count("lines", 0, u64::MAX),
            "skip: 2",
            "Lines above the header that are not data.",
        )
        .or(Preset::Count(0)),
        key(
            "comment",
            Type::Text(Written::Plain),
            "comment: \"#\"",
            "What a comment line, which is not data, starts with.",
        ),
        types::KEY,
    ]],
);

pub(super) fn build(value: Value, types: &mut TypesSpec) -> Option<CsvSpec> {
    let mut map = match value {
        Value::Text(path) => return Some(CsvSpec { path, options: Csv::default() }),
        value => Checked::from_value(value)?,
    };
    let byte = |text: &Text| text.value.bytes().next();
    let mut options = Csv::default();
    if let Some(delimiter) = map.get::<Text>("delimiter") {
        options.delimiter = if delimiter.value == "tab" { Some(b'\t') } else { byte(&delimiter) };
    }
    options.header = map.or("header", options.header);
    if let Some(quote) = map.get::<Text>("quote") {
        options.quote = byte(&quote);
    }
    options.encoding = match map.get("encoding") {
        Some("utf-16le") => Encoding::Utf16Le,
        Some("utf-16be") => Encoding::Utf16Be,
        Some("latin-1") => Encoding::Latin1,
        Some("windows-1252") => Encoding::Windows1252,
        _ => Encoding::Utf8,
    };
    let nulls: Vec<Text> = map.get("nulls").unwrap_or_default();
    options.nulls = nulls.into_iter().map(|null| null.value).collect();
    options.skip = map.or("skip", 0);
    options.comment = map.get("comment").map(|comment: Text| comment.value);
    let own = types::declared(&mut map);
    types.text |= own.text;
    types.of.extend(own.of);
    Some(CsvSpec { path: map.get("path")?, options })
}
