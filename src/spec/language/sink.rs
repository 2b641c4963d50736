//! `sink:` writes records: its keys and what they are read into.

use super::common::{FROM, WHEN, stage_name};
use crate::spec::{
    describe::{Choice, Preset, Shape, Type, Word, Written, key},
    text::{Name, Text},
    value::{Checked, Own},
};

/// `sink:`
#[derive(Debug, Clone, PartialEq)]
pub struct SinkSpec {
    /// Where to.
    pub target: Target,
    /// The columns that identify a row.
    pub key: Vec<Text>,
    /// Columns and the expressions that give them; by default what the record holds.
    pub columns: Option<Vec<(Name, Text)>>,
    /// How rows meet the rows that are there.
    pub mode: Option<Mode>,
    /// What becomes of a second row with the same key in one run.
    pub duplicates: Duplicates,
}

/// Where a sink writes.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// A table of the pipeline's database.
    Table(Name),
    /// JSON, one row a line.
    Jsonl(Text),
    /// CSV.
    Csv(Text),
    /// Parquet.
    Parquet(Text),
}

/// How a sink's rows meet the rows that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A row replaces the row with its key.
    Upsert,
    /// A row is added.
    Append,
    /// The rows of this run replace everything that was there, when the run has ended.
    Replace,
}

impl Mode {
    /// The default of a sink that writes to a table.
    pub const DEFAULT: Self = Self::Upsert;

    /// The word for it in a spec.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Upsert => "upsert",
            Self::Append => "append",
            Self::Replace => "replace",
        }
    }
}

/// What becomes of a second row with the same key in one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// Its record fails.
    #[default]
    Fail,
    /// The first row is kept, and the second is counted.
    First,
    /// The second row replaces the first.
    Last,
}

impl Duplicates {
    /// The word for it in a spec.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::First => "first",
            Self::Last => "last",
        }
    }
}

pub(crate) static SHAPE: Shape = Shape::new(
    "sink",
    "a sink",
    "Writes records to a table or to a file.",
    &[&[
        stage_name("sink", "sink: metadata"),
        FROM,
        WHEN,
        key("table", Type::Name, "table: metadata", "A table of the pipeline's database."),
        key(
            "jsonl",
            Type::Text(Written::Path),
            "jsonl: out/metadata.jsonl",
            "A file with a JSON object in each line. Files are written whole, when the run has ended.",
        ),
        key("csv", Type::Text(Written::Path), "csv: out/metadata.csv", "A CSV file."),
        key("parquet", Type::Text(Written::Path), "parquet: out/metadata.parquet", "A Parquet file."),
        key(
            "key",
            Type::Many(&Type::Text(Written::Field)),
            "key: path",
            "The column that identifies a row, or a list of columns that do so together.",
        )
        .or(Preset::Says("the key of the records")),
        key(
            "columns",
            Type::Own(true, &Type::Text(Written::Expression), "name: expression"),
            "columns: { path: path, title: extract.title }",
            "The columns, each with the expression that gives it.",
        )
        .or(Preset::Says(
            "the key, the fields in order (answers with a schema unpacked), `model` and `request`",
        )),
        key(
            "mode",
            Type::Word(
                "mode",
                &[
                    Word(Mode::Upsert.word(), "a row replaces the row with its `key`"),
                    Word(Mode::Append.word(), "a row is added"),
                    Word(
                        Mode::Replace.word(),
                        "the rows of this run replace everything that was there, when the run has ended",
                    ),
                ],
            ),
            "mode: append",
            "How rows meet the rows that are in the table.",
        )
        .or(Preset::Made(|| {
            format!("`{}` for a table, `{}` for a file", Mode::DEFAULT.word(), Mode::Replace.word())
        })),
        key(
            "duplicates",
            Type::Word(
                "duplicates",
                &[
                    Word(Duplicates::Fail.word(), "the record fails, with `duplicate key`"),
                    Word(Duplicates::First.word(), "the first row is kept; the others are counted as duplicates"),
                    Word(Duplicates::Last.word(), "a row replaces the one before it, which is counted as a duplicate"),
                ],
            ),
            "duplicates: last",
            "What becomes of a row whose `key` this run has written before, in the order in which rows reach the sink.",
        )
        .or(Preset::Made(|| format!("`{}`", Duplicates::default().word()))),
    ]],
)
.choice(Choice::One("sink", &["table", "jsonl", "csv", "parquet"]));

pub(super) fn build(mut map: Checked) -> Option<SinkSpec> {
    let target = match map.form? {
        "table" => Target::Table(map.get("table")?),
        "jsonl" => Target::Jsonl(map.get("jsonl")?),
        "csv" => Target::Csv(map.get("csv")?),
        _ => Target::Parquet(map.get("parquet")?),
    };
    let mode = map.get("mode").map(|word: &str| match word {
        "append" => Mode::Append,
        "replace" => Mode::Replace,
        _ => Mode::Upsert,
    });
    let columns = map.get("columns").map(|Own(columns)| columns);
    let duplicates = match map.get("duplicates") {
        Some("first") => Duplicates::First,
        Some("last") => Duplicates::Last,
        _ => Duplicates::default(),
    };
    Some(SinkSpec { target, key: map.get("key").unwrap_or_default(), columns, mode, duplicates })
}
