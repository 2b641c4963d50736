//! `sink:` writes records: its keys, and the struct they are read into.

use crate::{
    diagnostic::Fault,
    files::{FORMATS, FileFormat},
};

use super::common::{FROM, WHEN, stage_name};
use crate::spec::{
    describe::{Broken, Choice, Key, Preset, Shape, Type, Word, Written, key},
    text::{Name, Text},
    value::{Checked, Own},
};

/// `sink:`
#[derive(Debug, Clone, PartialEq)]
pub struct SinkSpec {
    /// The target; by default a table with the sink's name.
    pub target: Option<Target>,
    /// The columns that identify a row.
    pub key: Vec<Text>,
    /// Columns and their expressions; by default the record's fields.
    pub columns: Option<Vec<(Name, Text)>>,
    /// Fields, or parts of answers, that do not become columns.
    pub except: Vec<Text>,
    /// Columns that are cast, with their types.
    pub types: Vec<(Name, Text)>,
    /// How rows are combined with existing rows.
    pub mode: Option<Mode>,
    /// What happens to a duplicate key within a run.
    pub duplicates: Duplicates,
    /// What happens to rows of earlier runs whose record fails.
    pub stale: Stale,
    /// Whether to remove rows of earlier runs whose record is no longer in its source.
    pub gone: bool,
}

/// What happens to a row of an earlier run whose record fails now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// It stays.
    Keep,
    /// It is removed.
    Delete,
    /// It stays, marked in the column `stale`.
    Mark,
}

impl Stale {
    /// The word for it in a spec.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Delete => "delete",
            Self::Mark => "mark",
        }
    }
}

/// Where a sink writes.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// A table of the pipeline's database.
    Table(Name),
    /// A file.
    File(&'static FileFormat, Text),
}

/// How a sink's rows are combined with existing rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A row replaces the row with its key.
    Upsert,
    /// A row is added.
    Append,
    /// At the end of the run, its rows replace all existing rows.
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

/// What happens to a duplicate key within a run.
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

const TABLE: &str = "table";

/// The keys of the formats.
const FILES: [Key; FORMATS.len()] = {
    let mut keys = [key("", Type::Text(Written::Path), "", ""); FORMATS.len()];
    let mut at = 0;
    while at < FORMATS.len() {
        let FileFormat { key: name, example, about, .. } = *FORMATS[at];
        keys[at] = key(name, Type::Text(Written::Path), example, about);
        at += 1;
    }
    keys
};

/// The keys that set the target of a sink.
const FORMS: [&str; 1 + FORMATS.len()] = {
    let mut forms = [TABLE; 1 + FORMATS.len()];
    let mut at = 0;
    while at < FORMATS.len() {
        forms[at + 1] = FORMATS[at].key;
        at += 1;
    }
    forms
};

pub(crate) static SHAPE: Shape = Shape::new(
    "sink",
    "a sink",
    "Writes records to a table or to a file.",
    &[&[
        stage_name("sink", "sink: metadata"),
        FROM,
        WHEN,
        key(TABLE, Type::Name, "table: metadata", "A table of the pipeline's database.")
            .or(Preset::Says("the sink's name")),
    ],
    &FILES,
    &[
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
            "except",
            Type::Many(&Type::Text(Written::Field)),
            "except: [text, extract.notes]",
            "Fields, or parts of answers (`extract.notes`), that are left out of the default columns.",
        ),
        key(
            "types",
            Type::Own(true, &Type::Text(Written::Plain), "column: type"),
            "types: { vector: \"FLOAT[1024]\" }",
            "Types that columns are cast to: as in `types:` of a source. A value that does not fit fails its record; nothing is rounded or cut off.",
        ),
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
            "How rows are combined with the existing rows of the table.",
        )
        .or(Preset::Made(|| {
            format!("`{}` for a table, `{}` for a file", Mode::DEFAULT.word(), Mode::Replace.word())
        })),
        key(
            "stale",
            Type::Word(
                "`stale:` value",
                &[
                    Word(Stale::Keep.word(), "the row stays"),
                    Word(Stale::Delete.word(), "the row is removed"),
                    Word(Stale::Mark.word(), "the row stays, and the column `stale` is true"),
                ],
            ),
            "stale: mark",
            "What happens to a row of an earlier run whose record fails in this one.",
        )
        .or(Preset::Word(Stale::Keep.word())),
        key(
            "gone",
            Type::Word(
                "`gone:` value",
                &[Word("keep", "the row stays"), Word("delete", "the row is removed")],
            ),
            "gone: delete",
            "What happens to a row of an earlier run whose record is no longer in its source, when that was read to its end.",
        )
        .or(Preset::Word("keep")),
        key(
            "duplicates",
            Type::Word(
                "`duplicates:` value",
                &[
                    Word(Duplicates::Fail.word(), "the record fails, with `duplicate key`"),
                    Word(Duplicates::First.word(), "the first row is kept; the others are counted as duplicates"),
                    Word(Duplicates::Last.word(), "a row replaces the one before it, which is counted as a duplicate"),
                ],
            ),
            "duplicates: last",
            "What happens to a row whose `key` this run has written before, in the order in which rows reach the sink.",
        )
        .or(Preset::Made(|| format!("`{}`", Duplicates::default().word()))),
    ]],
)
.choice(Choice::Optional("sink", &FORMS))
.rule(|sink| {
    let has = |name: &str| sink.entries.iter().any(|entry| entry.name == name);
    let found = "`except:` beside `columns:`".to_owned();
    let fault = Fault::WrongShape { found, wanted: "one of them: `columns:` lists all columns".into() };
    (has("except") && has("columns")).then_some(Broken { key: "except", fault })
});

pub(super) fn build(mut map: Checked) -> Option<SinkSpec> {
    let format = |form: &str| FORMATS.into_iter().find(|format| format.key == form);
    let target = match (map.form, map.form.and_then(format)) {
        (None, _) => None,
        (Some(form), Some(format)) => Some(Target::File(format, map.get(form)?)),
        (Some(form), None) => Some(Target::Table(map.get(form)?)),
    };
    let mode = map.get("mode").map(|word: &str| match word {
        "append" => Mode::Append,
        "replace" => Mode::Replace,
        _ => Mode::Upsert,
    });
    let stale = match map.get("stale") {
        Some("delete") => Stale::Delete,
        Some("mark") => Stale::Mark,
        _ => Stale::Keep,
    };
    let columns = map.get("columns").map(|Own(columns)| columns);
    let types = map.get("types").map(|Own(types)| types).unwrap_or_default();
    let duplicates = match map.get("duplicates") {
        Some("first") => Duplicates::First,
        Some("last") => Duplicates::Last,
        _ => Duplicates::default(),
    };
    Some(SinkSpec {
        target,
        key: map.get("key").unwrap_or_default(),
        columns,
        except: map.get("except").unwrap_or_default(),
        types,
        mode,
        duplicates,
        stale,
        gone: map.get("gone") == Some("delete"),
    })
}
