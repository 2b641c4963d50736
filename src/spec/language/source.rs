//! `source:` reads records: its keys and what they are read into.

use crate::{
    diagnostic::Place,
    read::{Csv, Encoding},
    units::Size,
};

use super::common::stage_name;
use crate::spec::{
    describe::{Choice, Key, Preset, Shape, Type, Word, Written, key},
    text::{Name, Text},
    value::{Checked, FromValue, Own, Value},
};

/// `source:`
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSpec {
    /// Where the records come from.
    pub form: SourceForm,
    /// The fields that identify a record.
    pub key: Vec<Text>,
    /// Stop reading after this many records.
    pub limit: Option<u64>,
    /// A larger file is a failure, not a record.
    pub max_bytes: Size,
    /// Whether the text of files is read.
    pub content: bool,
    /// Types of columns that are declared instead of proven.
    pub types: TypesSpec,
    /// Whether no file is no mistake.
    pub optional: bool,
}

/// `types:`
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TypesSpec {
    /// Every other column of a CSV file is text.
    pub text: bool,
    /// Columns with their types.
    pub of: Vec<(Name, Text)>,
}

/// `csv:` of a source
#[derive(Debug, Clone, PartialEq)]
pub struct CsvSpec {
    /// The files.
    pub path: Text,
    /// What they look like.
    pub options: Csv,
}

/// Where records come from.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceForm {
    /// A glob over text files.
    Files(Text),
    /// Records written in the spec.
    Rows(Vec<(Place, serde_json::Value)>),
    /// A query.
    Sql(Text),
    /// JSON, one record a line.
    Jsonl(Text),
    /// CSV.
    Csv(Box<CsvSpec>),
    /// Parquet.
    Parquet(Text),
    /// Records numbered from 1.
    Repeat(u64),
}

/// The default of `max_bytes`: larger texts are longer than any model's context.
const LARGEST_TEXT: Size = Size(32_000_000);

/// The default of `max_bytes` with `content: false`, and the largest file that is sent with a request.
pub(crate) const LARGEST_FILE: Size = Size(50_000_000);

/// The default of `content`.
const CONTENT: bool = true;

pub(crate) static SHAPE: Shape = Shape::new(
    "source",
    "a source",
    "Reads records: from files, a query, or the spec itself.",
    &[&[
        stage_name("source", "source: documents"),
        key(
            "files",
            Type::Text(Written::Pattern),
            "files: library/**/*.txt",
            "One record a file, with `path`, `name`, `text`, `bytes`, `modified` and `sha256`; with \
             `content: false`, `file` (the whole path) in place of `text` and `sha256`.",
        ),
        key(
            "rows",
            Type::List(&Type::Json("a record, `{ name: value }`"), "records, each a mapping"),
            "rows: [{ id: 1, text: A text. }]",
            "Records that are written in the spec.",
        ),
        key(
            "sql",
            Type::Text(Written::Query),
            "sql: SELECT id, text FROM 'texts.parquet'",
            "One record a row of a query, over the pipeline's database and over files.",
        ),
        key(
            "jsonl",
            Type::Text(Written::Pattern),
            "jsonl: texts.jsonl",
            "One record a line of files of JSON objects: a path or a pattern. Values have the types that JSON gives them.",
        ),
        key(
            "csv",
            Type::Either(&[Type::Text(Written::Pattern), Type::Map(&CSV)]),
            "csv: texts.csv",
            "One record a line of CSV files (RFC 4180): a path or a pattern, or `csv: { path: texts.csv, … }`. A type is \
             proven over all values, or the column is text.",
        ),
        key(
            "parquet",
            Type::Text(Written::Pattern),
            "parquet: texts.parquet",
            "One record a row of Parquet files: a path or a pattern.",
        ),
        key(
            "repeat",
            Type::Count("records", 1, 1 << 40),
            "repeat: 100",
            "This many records with the one field `n`, counted from 1.",
        ),
        key(
            "key",
            Type::Many(&Type::Text(Written::Field)),
            "key: id",
            "The field that identifies a record, or a list of fields that do so together.",
        )
        .or(Preset::Says("`path` for files, `n` for `repeat`, otherwise none")),
        key(
            "limit",
            Type::Count("records", 1, u64::MAX),
            "limit: 100",
            "Stop reading after this many records.",
        ),
        key(
            "max_bytes",
            Type::Size(Size(u64::MAX)),
            "max_bytes: 1MB",
            "A file that is larger is a failure and not a record.",
        )
        .or(Preset::Made(|| format!("`{LARGEST_TEXT}`; `{LARGEST_FILE}` with `content: false`"))),
        key(
            "content",
            Type::Flag,
            "content: false",
            "Whether the text of `files:` is read; `false` for images and other files that are not text.",
        )
        .or(Preset::Flag(CONTENT)),
        TYPES,
        key(
            "optional",
            Type::Flag,
            "optional: true",
            "Whether a pattern of `jsonl:`, `csv:` or `parquet:` may match no file: then there are no records, with the \
             columns of `types:`.",
        )
        .or(Preset::Flag(false)),
    ]],
)
.choice(Choice::One("source", &["files", "rows", "sql", "jsonl", "csv", "parquet", "repeat"]));

/// Types of columns that are declared instead of proven.
const TYPES: Key = key(
    "types",
    Type::Either(&[Type::Text(Written::Plain), Type::Own(true, &Type::Text(Written::Plain), "column: type")]),
    "types: { zip: text, price: decimal }",
    "Types of columns that are declared instead of proven: `text`, `integer`, `number`, `decimal`, `boolean`, `date`, \
     `timestamp`, `json`, or a type of DuckDB; `types: text` makes every column of a CSV file text.",
);

static CSV: Shape = Shape::new(
    "csv",
    "`csv:`",
    "CSV files and what they look like.",
    &[&[
        key("path", Type::Text(Written::Pattern), "path: texts.csv", "A path or a pattern.").required(),
        key("delimiter", Type::Text(Written::Plain), "delimiter: \";\"", "The separator, one character.")
            .or(Preset::Says("found in the header line among `,` `;` tab and `|`")),
        key("header", Type::Flag, "header: false", "Whether the first line has the names.")
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
        key("skip", Type::Count("lines", 0, u64::MAX), "skip: 2", "Lines above the header that are no data.")
            .or(Preset::Count(0)),
        key(
            "comment",
            Type::Text(Written::Plain),
            "comment: \"#\"",
            "What a line starts with that is no data.",
        ),
        TYPES,
    ]],
);

fn csv(value: Value, types: &mut TypesSpec) -> Option<CsvSpec> {
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
    let own = declared(&mut map);
    types.text |= own.text;
    types.of.extend(own.of);
    Some(CsvSpec { path: map.get("path")?, options })
}

fn declared(map: &mut Checked) -> TypesSpec {
    match map.take("types").map(|entry| entry.value) {
        Some(Value::Text(word)) => TypesSpec { text: word.value == "text", of: Vec::new() },
        Some(value) => {
            let of = Own::from_value(value).map(|Own(of)| of).unwrap_or_default();
            TypesSpec { text: false, of }
        }
        None => TypesSpec::default(),
    }
}

pub(super) fn build(mut map: Checked) -> Option<SourceSpec> {
    let content = map.or("content", CONTENT);
    let mut types = declared(&mut map);
    let form = match map.form? {
        "files" => SourceForm::Files(map.get("files")?),
        "rows" => SourceForm::Rows(map.get("rows")?),
        "sql" => SourceForm::Sql(map.get("sql")?),
        "jsonl" => SourceForm::Jsonl(map.get("jsonl")?),
        "csv" => SourceForm::Csv(Box::new(csv(map.take("csv")?.value, &mut types)?)),
        "parquet" => SourceForm::Parquet(map.get("parquet")?),
        _ => SourceForm::Repeat(map.get("repeat")?),
    };
    Some(SourceSpec {
        form,
        key: map.get("key").unwrap_or_default(),
        limit: map.get("limit"),
        max_bytes: map.or("max_bytes", if content { LARGEST_TEXT } else { LARGEST_FILE }),
        content,
        types,
        optional: map.or("optional", false),
    })
}
