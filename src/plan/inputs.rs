//! What a plan reads from outside the spec: paths, files, globs, queries.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use crate::{
    diagnostic::{Fault, Mistake, Place, Source as Written, Warning},
    files::FileSet,
    read::{self, Format},
    record::{LogicalType, Record, Schema, from_json, same_name},
    spec::{Origin as Writer, SourceForm, SourceSpec, Text, TypesSpec},
};

use super::{Origin, ReadFiles, Source, compile::Compiler, shape::Shape};

/// What a source reads, and its fields where they are known.
type Found = (Origin, Option<Schema>);

impl Compiler<'_> {
    pub(super) fn path(&self, text: &Text) -> PathBuf {
        resolve(text, &self.spec.folder)
    }

    /// Reads a file that the spec names.
    pub(super) fn file(&mut self, text: &Text, what: &'static str) -> Option<Arc<Written>> {
        let path = self.path(text);
        let shown = if text.secret { text.shown().to_owned() } else { path.display().to_string() };
        match read_text(&path) {
            Ok(text) => Some(Written::new(&shown, &text)),
            Err(error) => {
                let fault = Fault::Unreadable { what, path: shown, why: plain(&error) };
                self.report(fault, text.place.clone());
                None
            }
        }
    }

    /// Compiles a source; `None` for the shape where it cannot be known.
    pub(super) fn source(&mut self, spec: &SourceSpec) -> Option<(Source, Option<Shape>)> {
        let mut key: Vec<String> = spec.key.iter().map(|key| key.value.clone()).collect();
        let mut bulky = Vec::new();
        let (from, schema) = match &spec.form {
            SourceForm::Files(pattern) => {
                let set = self.files(pattern, spec)?;
                let schema = set.schema();
                if key.is_empty() {
                    key.push("path".to_owned());
                }
                // A table need not hold what the file holds.
                bulky = schema.names().filter(|name| *name != "path").map(str::to_owned).collect();
                (Origin::Files(set), Some(schema))
            }
            SourceForm::Rows(rows) => self.rows(rows),
            SourceForm::Sql(query) => {
                self.stable_query(query);
                self.query(query, &query.value)
            }
            SourceForm::Jsonl(path) => self.read(path, Format::Jsonl, spec)?,
            SourceForm::Csv(csv) => self.read(&csv.path, Format::Csv(csv.options.clone()), spec)?,
            SourceForm::Parquet(path) => self.read(path, Format::Parquet, spec)?,
            SourceForm::Repeat(count) => {
                if key.is_empty() {
                    key.push("n".to_owned());
                }
                let query = format!("SELECT CAST(n AS BIGINT) AS n FROM range(1, {count} + 1) AS numbers(n)");
                (Origin::Query(query), Some(Schema::new([("n", LogicalType::BigInt)])))
            }
        };
        for text in &spec.key {
            if let Some(schema) = &schema
                && schema.get(&text.value).is_none()
            {
                let known = schema.names().map(str::to_owned).collect();
                self.report(Fault::UnknownField { name: text.value.clone(), known }, text.place.clone());
            }
        }
        let fields = Arc::new(schema.clone().unwrap_or_default());
        let shape = schema.map(|schema| Shape {
            schema,
            source_key: key.clone(),
            key: key.clone(),
            bulky,
            ..Shape::default()
        });
        Some((Source { from, key, schema: fields, limit: spec.limit }, shape))
    }

    /// Records that are written in the spec: each field has the type that holds all its values.
    fn rows(&mut self, rows: &[(Place, serde_json::Value)]) -> Found {
        let mut schema = Schema::default();
        let values = rows.iter().filter_map(|(_, row)| row.as_object());
        for (name, value) in values.clone().flatten() {
            let Some(of) = of_value(value) else { continue };
            let known = schema.get(name).map(|field| field.datatype.clone());
            let of = known.map_or(of.clone(), |known| either(&known, &of));
            schema.set(name.as_str(), of);
        }
        // A field that is NULL in every row.
        for (name, _) in values.clone().flatten() {
            if schema.get(name).is_none() {
                schema.set(name.as_str(), LogicalType::Varchar);
            }
        }
        let shared = Arc::new(schema.clone());
        let records = values.map(|row| {
            let value = |field: &crate::record::Field| {
                let found = row.iter().find(|(name, _)| same_name(name, &field.name));
                let text = found.map_or("null".to_owned(), |(_, value)| value.to_string());
                from_json(&text, &field.datatype).unwrap_or(crate::record::Value::Null)
            };
            Record::new("", Arc::clone(&shared), schema.fields().iter().map(value).collect())
        });
        (Origin::Rows(records.collect()), Some(schema.clone()))
    }

    fn files(&mut self, pattern: &Text, spec: &SourceSpec) -> Option<FileSet> {
        let set = FileSet { content: spec.content, ..FileSet::new(&self.path(pattern), spec.max_bytes) };
        let shown = || {
            if pattern.secret {
                pattern.shown().to_owned()
            } else {
                set.root.join(&set.pattern).display().to_string()
            }
        };
        // An empty parameter at the start of a path makes another path of it, and a far larger one.
        let whole_disk = set.root == Path::new("/") && set.pattern.starts_with(['*', '?', '[', '{']);
        let fault = match set.paths() {
            _ if whole_disk => {
                let why = "it would read the whole disk; is a parameter or a variable empty?".to_owned();
                Fault::BadGlob { pattern: shown(), why }
            }
            Err(error) => Fault::BadGlob { pattern: shown(), why: error.kind().to_string() },
            Ok(mut paths) => match paths.find(Result::is_ok) {
                Some(_) => return Some(set),
                None => {
                    let missing = (!set.folder().is_dir()).then(|| set.folder().display().to_string());
                    Fault::EmptyGlob { pattern: shown(), missing }
                }
            },
        };
        self.report(fault, pattern.place.clone());
        None
    }

    /// Files with rows in them: their columns, and types that are proven over what `check` reads of them.
    fn read(&mut self, path: &Text, format: Format, spec: &SourceSpec) -> Option<Found> {
        let set = FileSet::new(&self.path(path), crate::units::Size(u64::MAX));
        let options = read::Options {
            types: self.types(&spec.types),
            key: spec.key.iter().map(|key| key.value.clone()).collect(),
            optional: spec.optional,
            prove: Some(PROVEN_AT_CHECK),
            ..read::Options::new(format)
        };
        match read::describe_with(&set, &options, self.around.proofs) {
            Ok(description) => {
                let schema = description.schema.clone();
                Some((Origin::Read(Box::new(ReadFiles { set, options, description })), Some(schema)))
            }
            Err(read::ReadError::NoFile { pattern, skipped: None }) => {
                let missing = (!set.folder().is_dir()).then(|| set.folder().display().to_string());
                self.report(Fault::EmptyGlob { pattern, missing }, path.place.clone());
                None
            }
            Err(error) => {
                self.report(Fault::BadFile(error.to_string()), path.place.clone());
                None
            }
        }
    }

    /// The types that `types:` declares.
    fn types(&mut self, spec: &TypesSpec) -> read::Types {
        let mut types = read::Types { text: spec.text, of: Vec::new() };
        for (name, word) in &spec.of {
            let of = self.declared(word);
            types.of.extend(of.map(|of| (name.value.to_string(), of)));
        }
        types
    }

    fn query(&mut self, text: &Text, query: &str) -> Found {
        let query = query.trim().trim_end_matches(';').to_owned();
        let fields = self.describe(&[], &query, text);
        (Origin::Query(query), fields)
    }

    pub(super) fn report(&mut self, fault: Fault, place: Place) {
        self.mistakes.push(Mistake { fault, place });
    }

    pub(super) fn warn(&mut self, warning: Warning, place: Place) {
        self.warnings.push(Mistake { fault: Fault::Warning(warning), place });
    }
}

/// How much of a file is read by `etl check`: a larger one is read whole by the run, before its first record.
const PROVEN_AT_CHECK: u64 = 64_000_000;

/// The short names of types; DuckDB's own are known as well.
const DECLARED: &[(&str, LogicalType)] = &[
    ("text", LogicalType::Varchar),
    ("integer", LogicalType::BigInt),
    ("number", LogicalType::Double),
    ("boolean", LogicalType::Boolean),
    ("date", LogicalType::Date),
    ("timestamp", LogicalType::Timestamp),
    ("decimal", LogicalType::Decimal { width: 18, scale: 2 }),
    ("json", LogicalType::Json),
];

pub(super) fn declared_words() -> Vec<String> {
    DECLARED.iter().map(|(word, _)| (*word).to_owned()).collect()
}

pub(super) fn declared(word: &str) -> Option<LogicalType> {
    let word = word.trim();
    let short = DECLARED.iter().find(|(short, _)| short.eq_ignore_ascii_case(word)).map(|(_, of)| of.clone());
    short.or_else(|| Some(crate::record::parse_type(word)).filter(|of| !matches!(of, LogicalType::Other(_))))
}

/// The type of a value that is written in the spec; nothing for NULL.
fn of_value(value: &serde_json::Value) -> Option<LogicalType> {
    use serde_json::Value;
    Some(match value {
        Value::Null => return None,
        Value::String(_) => LogicalType::Varchar,
        Value::Bool(_) => LogicalType::Boolean,
        Value::Number(number) if number.is_f64() => LogicalType::Double,
        Value::Number(number) if number.as_i64().is_none() => LogicalType::HugeInt,
        Value::Number(_) => LogicalType::BigInt,
        Value::Array(items) => {
            let types: Vec<LogicalType> = items.iter().filter_map(of_value).collect();
            let item = types.into_iter().reduce(|a, b| either(&a, &b)).unwrap_or(LogicalType::Varchar);
            LogicalType::List(Box::new(item))
        }
        Value::Object(fields) if fields.is_empty() => LogicalType::Json,
        Value::Object(fields) => LogicalType::Struct(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), of_value(value).unwrap_or(LogicalType::Varchar)))
                .collect(),
        ),
    })
}

/// The type of values of two types, JSON where no other holds both. `1` beside `0.5` is a number.
fn either(a: &LogicalType, b: &LogicalType) -> LogicalType {
    match (a, b) {
        (LogicalType::BigInt, LogicalType::Double) | (LogicalType::Double, LogicalType::BigInt) => {
            LogicalType::Double
        }
        (LogicalType::Struct(x), LogicalType::Struct(y)) => {
            let mut fields = x.clone();
            for (name, of) in y {
                match fields.iter_mut().find(|(known, _)| same_name(known, name)) {
                    Some((_, known)) => *known = either(known, of),
                    None => fields.push((name.clone(), of.clone())),
                }
            }
            LogicalType::Struct(fields)
        }
        (LogicalType::List(x), LogicalType::List(y)) => LogicalType::List(Box::new(either(x, y))),
        _ => a.widened(b).unwrap_or(LogicalType::Json),
    }
}

/// The path that a text means: from the spec's folder for what the spec says, from the working
/// folder for what the command line or the environment says.
pub(super) fn resolve(text: &Text, folder: &Path) -> PathBuf {
    match text.origin {
        Writer::Spec => clean(&folder.join(&text.value)),
        Writer::Caller => clean(Path::new(&text.value)),
    }
}

/// The path without `.` and, as far as they can be told without looking, without `..`.
pub(super) fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    if out.as_os_str().is_empty() { PathBuf::from(".") } else { out }
}

pub(super) fn read_text(path: &Path) -> io::Result<String> {
    fs::read(path).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            io::Error::new(io::ErrorKind::InvalidData, format!("it is not UTF-8 text (byte {at})"))
        })
    })
}

/// An error of the system without its number, which tells nobody anything.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
