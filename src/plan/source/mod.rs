//! Sources: the facts about each kind when a spec is checked. Main types: [`Source`], [`Origin`].
//!
//! A kind is a variant of [`Origin`], a line in `Compiler::source` and in [`Origin::line`], and a file for its checks.
//! That file depends neither on the other kinds nor on [`Origin`].

mod files;
mod read;
mod rows;

use std::sync::Arc;

use crate::{
    diagnostic::{Warning, nearest},
    files::FileSet,
    read::Format,
    record::{LogicalType, Record, Schema, same_name},
    spec::{Duplicates, Form, SourceForm, SourceSpec, Text, WaveSet},
    sql::{self, QueryFacts},
};

use super::{caveat::Caveat, compiler::Compiler, line::one_line, shape::Shape};

pub use read::ReadFiles;

/// Where records come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// What is read.
    pub from: Origin,
    /// The fields that identify a record; if empty, its number does.
    pub key: Vec<String>,
    /// The fields.
    pub schema: Arc<Schema>,
    /// The most records that are read.
    pub limit: Option<u64>,
}

/// What a source reads.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each says it")]
pub enum Origin {
    Files(FileSet),
    Rows(Vec<Record>),
    Query(String),
    Read(Box<ReadFiles>),
}

/// What a source reads, and its fields if known.
type Found = (Origin, Option<Schema>);

impl Origin {
    /// A description: what is read, and which values decided the types of columns.
    pub(super) fn lines(&self) -> Vec<String> {
        vec![match self {
            Self::Files(set) => {
                format!("files {}, each up to {}", set.root.join(&set.pattern).display(), set.max_bytes)
            }
            Self::Rows(rows) if rows.len() == 1 => "1 row in the spec".to_owned(),
            Self::Rows(rows) => format!("{} rows in the spec", rows.len()),
            Self::Query(query) => format!("query {}", one_line(query)),
            Self::Read(files) => return read::lines(files),
        }]
    }
}

/// Caveats about the fields that are NULL in some rows; `empty` counts these by position.
fn empty_fields(schema: &Schema, empty: impl Fn(usize) -> u64, rows: u64) -> Vec<Caveat> {
    let counted = schema.names().enumerate().map(|(at, name)| (name, empty(at)));
    let found = counted.filter(|(_, empty)| *empty > 0);
    let why = |empty| format!("{empty} of {rows} rows {} no value", if empty == 1 { "has" } else { "have" });
    found.map(|(name, empty)| Caveat::null(name, &why(empty))).collect()
}

impl Compiler<'_> {
    /// Compiles a source; the shape is `None` if unknown.
    pub(in crate::plan) fn source(&mut self, spec: &SourceSpec) -> Option<(Source, Option<Shape>)> {
        let mut key: Vec<String> = spec.key.iter().map(|key| key.value.clone()).collect();
        let (mut bulky, mut caveats) = (Vec::new(), Vec::new());
        let (from, schema) = match &spec.form {
            SourceForm::Files(pattern) => {
                let set = self.files(pattern, spec)?;
                let schema = set.schema();
                if key.is_empty() {
                    key.push("path".to_owned());
                }
                // By default a table leaves out the content of the file.
                bulky = schema.names().filter(|name| *name != "path").map(str::to_owned).collect();
                (Origin::Files(set), Some(schema))
            }
            SourceForm::Rows(rows) => {
                let (records, schema, found) = self.rows(rows)?;
                caveats = found;
                (Origin::Rows(records), Some(schema))
            }
            SourceForm::Sql(query) => {
                let facts = sql::facts(&self.engine, &query.value);
                self.stable_query(query, &facts);
                self.query(query, &facts)
            }
            SourceForm::Jsonl(path) => self.read_files(path, Format::Jsonl, spec)?,
            SourceForm::Csv(csv) => self.read_files(&csv.path, Format::Csv(csv.options.clone()), spec)?,
            SourceForm::Parquet(path) => self.read_files(path, Format::Parquet, spec)?,
            SourceForm::Repeat(count) => {
                if key.is_empty() {
                    key.push("n".to_owned());
                }
                let query = format!("SELECT CAST(n AS BIGINT) AS n FROM range(1, {count} + 1) AS numbers(n)");
                (Origin::Query(query), Some(Schema::new([("n", LogicalType::BigInt)])))
            }
        };
        if let Some(schema) = &schema {
            self.key_fields(&spec.key, schema);
        }
        if let (Origin::Read(files), Some(schema)) = (&from, &schema) {
            let found = &files.description;
            caveats = empty_fields(
                schema,
                |at| found.columns.get(at).map_or(0, |column| column.empty),
                found.rows(),
            );
            self.column_warnings(spec, files, schema);
        }
        self.weak_key(spec, &from);
        let fields = Arc::new(schema.clone().unwrap_or_default());
        let shape = schema.map(|schema| Shape {
            schema,
            source_key: key.clone(),
            key: key.clone(),
            bulky,
            caveats,
            ..Shape::default()
        });
        Some((Source { from, key, schema: fields, limit: spec.limit }, shape))
    }

    /// Warns of columns that are not what they seem: JSON because of one odd value, or declared and nowhere in the files.
    fn column_warnings(&mut self, spec: &SourceSpec, files: &ReadFiles, schema: &Schema) {
        let (SourceForm::Jsonl(path), found) = (&spec.form, &files.description) else { return };
        for (name, column) in schema.names().zip(&found.columns) {
            if column.mixed {
                self.warn(Warning::Mixed(name.to_owned()), path.place.clone());
            }
            let declared = spec.types.of.iter().find(|(declared, _)| same_name(&declared.value, name));
            if let (Some((declared, _)), true) = (declared, column.empty == found.rows() && found.rows() > 0)
            {
                let others = schema.names().zip(&found.columns);
                let read = others.filter(|(_, column)| column.empty < found.rows());
                let near = nearest(name, read.map(|(name, _)| name)).map(str::to_owned);
                self.warn(Warning::NoSuchColumn { column: name.to_owned(), near }, declared.place.clone());
            }
        }
    }

    /// Warns of rows that are sent to a model although a table will not take them.
    fn weak_key(&mut self, spec: &SourceSpec, from: &Origin) {
        let (Origin::Read(files), Some(first), true) = (from, spec.key.first(), self.asks()) else { return };
        let (counts, rows) = (files.description.keys(), files.description.rows());
        let has = |wanted: fn(&Form) -> bool| {
            self.spec.stages.iter().filter_map(|stage| stage.form.as_ref()).any(wanted)
        };
        let keeps_one = has(|form| match form {
            Form::Wave(wave) => matches!(wave.set, Some(WaveSet::Unique(_))),
            Form::Sink(sink) => sink.duplicates != Duplicates::Fail,
            _ => false,
        });
        let filters = has(|form| matches!(form, Form::Filter(_)));
        let repeated = if keeps_one { 0 } else { counts.repeated };
        let missing = if filters { 0 } else { counts.missing };
        if repeated + missing > 0 {
            let key = match &spec.key[..] {
                [key] => key.value.clone(),
                key => {
                    format!("[{}]", key.iter().map(|key| key.value.as_str()).collect::<Vec<_>>().join(", "))
                }
            };
            self.warn(Warning::WeakKey { key, repeated, missing, rows }, first.place.clone());
        }
    }

    fn read_files(&mut self, path: &Text, format: Format, spec: &SourceSpec) -> Option<Found> {
        let files = self.read(path, format, spec)?;
        let schema = files.description.schema.clone();
        Some((Origin::Read(Box::new(files)), Some(schema)))
    }

    fn query(&mut self, text: &Text, facts: &QueryFacts) -> Found {
        let query = text.value.trim().trim_end_matches(';').to_owned();
        let fields = self.describe(&[], &query, (text, facts));
        (Origin::Query(query), fields)
    }
}
