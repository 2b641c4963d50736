//! `source:` reads records: its keys, and the struct they are read into. A kind with its own keys has a separate file.

mod csv;
mod types;

use crate::units::Size;

pub use csv::CsvSpec;
pub use types::TypesSpec;

use super::common::stage_name;
use crate::spec::{
    describe::{Choice, Preset, Shape, Type, Written, key},
    text::Text,
    value::{Checked, JsonText},
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
    /// A larger file fails instead of becoming a record.
    pub max_bytes: Size,
    /// Whether the text of files is read.
    pub content: bool,
    /// Column types that are declared instead of proven.
    pub types: TypesSpec,
    /// Whether matching no file is allowed.
    pub optional: bool,
}

/// Where records come from.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceForm {
    /// A glob over text files.
    Files(Text),
    /// Records written in the spec.
    Rows(Vec<JsonText>),
    /// A query.
    Sql(Text),
    /// JSON Lines: one record per line.
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
            "One record per file, with `path`, `name`, `text`, `bytes`, `modified` and `sha256`; with \
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
            "One record per row of a query, over the pipeline's database and over files.",
        ),
        key(
            "jsonl",
            Type::Text(Written::Pattern),
            "jsonl: texts.jsonl",
            "One record per line of files of JSON objects: a path or a pattern. Values have the types that JSON gives them.",
        ),
        csv::KEY,
        key(
            "parquet",
            Type::Text(Written::Pattern),
            "parquet: texts.parquet",
            "One record per row of Parquet files: a path or a pattern.",
        ),
        key(
            "repeat",
            Type::Count("records", 1, 1 << 40),
            "repeat: 100",
            "This many records with the single field `n`, counted from 1.",
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
            "A larger file is a failure, not a record.",
        )
        .or(Preset::Made(|| format!("`{LARGEST_TEXT}`; `{LARGEST_FILE}` with `content: false`"))),
        key(
            "content",
            Type::Flag,
            "content: false",
            "Whether the text of `files:` is read; `false` for images and other files that are not text.",
        )
        .or(Preset::Flag(CONTENT)),
        types::KEY,
        key(
            "optional",
            Type::Flag,
            "optional: true",
            "Whether a pattern may match no file: then there are no records. The columns of `jsonl:`, `csv:` and \
             `parquet:` are then those of `types:`.",
        )
        .or(Preset::Flag(false)),
    ]],
)
.choice(Choice::One("source", &["files", "rows", "sql", "jsonl", "csv", "parquet", "repeat"]));

pub(super) fn build(mut map: Checked) -> Option<SourceSpec> {
    let content = map.or("content", CONTENT);
    let mut types = types::declared(&mut map);
    let form = match map.form? {
        "files" => SourceForm::Files(map.get("files")?),
        "rows" => SourceForm::Rows(map.get("rows")?),
        "sql" => SourceForm::Sql(map.get("sql")?),
        "jsonl" => SourceForm::Jsonl(map.get("jsonl")?),
        "csv" => SourceForm::Csv(Box::new(csv::build(map.take("csv")?.value, &mut types)?)),
        "parquet" => SourceForm::Parquet(map.get("parquet")?),
        "repeat" => SourceForm::Repeat(map.get("repeat")?),
        other => {
            debug_assert!(false, "`{other}:` is described, and not built");
            return None;
        }
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
