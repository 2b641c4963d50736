//! Sinks: which columns a row has, of which types, from where.

use std::path::PathBuf;

use crate::{
    datatype::DataType,
    diagnostic::{Fault, Place},
    record::{ANSWER, FAILURE},
    spec::{Mode, Name, SinkSpec, Target as TargetSpec, Text},
};

use super::{
    Column, ColumnValue, Format, Sink, Target,
    compile::{Compiler, Shape},
};

/// The column for the record's key where no field is the key.
const KEY: &str = "key";

impl Compiler<'_> {
    /// Compiles a sink over the shapes of what it reads, if all of them are known.
    pub(super) fn sink(&mut self, name: &Name, spec: &SinkSpec, shapes: Option<&[Shape]>) -> Option<Sink> {
        let target = match &spec.target {
            TargetSpec::Table(table) => Target::Table(table.value.to_string()),
            TargetSpec::Jsonl(path) => self.target(Format::Jsonl, path),
            TargetSpec::Csv(path) => self.target(Format::Csv, path),
            TargetSpec::Parquet(path) => self.target(Format::Parquet, path),
        };
        let mode = match (&target, spec.mode) {
            (Target::Table(_), mode) => mode.unwrap_or(Mode::DEFAULT),
            (Target::File { .. }, None | Some(Mode::Replace)) => Mode::Replace,
            (Target::File { .. }, Some(_)) => {
                let fault = Fault::WrongShape {
                    found: "a `mode:` for a file".to_owned(),
                    wanted: "none: a file is written whole, when the run has ended".into(),
                };
                self.report(fault, name.place.clone());
                Mode::Replace
            }
        };
        let columns = match &spec.columns {
            Some(columns) => self.explicit(columns, shapes),
            None => self.implicit(&spec.key, shapes?, &name.place)?,
        };
        let key = match &spec.key {
            Some(key) if !columns.iter().any(|column| column.name == key.value) => {
                let known = columns.iter().map(|column| column.name.clone()).collect();
                let fault =
                    Fault::KeyNotAColumn { key: key.value.clone(), sink: name.value.to_string(), known };
                self.report(fault, key.place.clone());
                None
            }
            Some(key) => Some(key.value.clone()),
            None => shapes.and_then(|shapes| identity(shapes, &columns)),
        };
        if mode == Mode::Upsert && key.is_none() && spec.key.is_none() {
            let fault = Fault::MissingKey { key: "key", within: "a sink that upserts", example: "key: path" };
            self.report(fault, name.place.clone());
        }
        Some(Sink { target, columns, key, mode })
    }

    fn target(&self, format: Format, path: &Text) -> Target {
        let resolved: PathBuf = self.path(path);
        let shown = if path.secret { path.shown().to_owned() } else { resolved.display().to_string() };
        Target::File { format, path: resolved, shown }
    }

    /// The columns that the spec lists.
    fn explicit(&mut self, columns: &[(Name, Text)], shapes: Option<&[Shape]>) -> Vec<Column> {
        let mut out: Vec<Column> = Vec::new();
        for (name, text) in columns {
            if out.iter().any(|column| column.name.eq_ignore_ascii_case(&name.value)) {
                self.report(Fault::RepeatedKey(name.value.to_string()), name.place.clone());
                continue;
            }
            let types: Vec<Option<DataType>> = match shapes {
                None => vec![self.expression(text, None)],
                Some(shapes) => {
                    let before = self.mistakes.len();
                    let mut types = Vec::new();
                    for shape in shapes {
                        types.push(self.expression(text, Some(shape)));
                        // The same mistake for each input is one mistake.
                        if self.mistakes.len() > before {
                            break;
                        }
                    }
                    types
                }
            };
            let path = path_of(&text.value);
            let direct = path
                .as_ref()
                .zip(shapes)
                .and_then(|(path, shapes)| merge(shapes.iter().map(|shape| shape.at(path))));
            let datatype =
                direct.or_else(|| merge(types.iter().map(Option::as_ref))).unwrap_or(DataType::Json);
            let value = match path {
                Some(path) => ColumnValue::Paths(vec![path]),
                None => ColumnValue::Expression(text.value.clone()),
            };
            out.push(Column { name: name.value.to_string(), datatype, value });
        }
        out
    }

    /// The columns of a sink that lists none: the key, then what maps made of the record, unpacked, and
    /// who answered; all fields where no map made anything.
    fn implicit(&mut self, key: &Option<Text>, shapes: &[Shape], place: &Place) -> Option<Vec<Column>> {
        let mut columns: Vec<Column> = Vec::new();
        for shape in shapes {
            let mut own = Vec::new();
            match (key, &shape.key) {
                (Some(key), _) => own.extend(shape.column(&[&key.value])),
                (None, Some(key)) => own.extend(shape.column(&[key])),
                (None, None) => {
                    own.push(Column {
                        name: KEY.to_owned(),
                        datatype: DataType::Text,
                        value: ColumnValue::Key,
                    });
                }
            }
            let made = shape.answered || shape.failed;
            let names: Vec<&String> = match made {
                true => shape.made.iter().collect(),
                false => shape
                    .fields
                    .iter()
                    .map(|(name, _)| name)
                    .filter(|name| *name != ANSWER && *name != FAILURE)
                    .collect(),
            };
            for name in names {
                match shape.at(std::slice::from_ref(name)) {
                    Some(DataType::Struct(fields)) if made => {
                        own.extend(fields.iter().filter_map(|(field, _)| shape.column(&[name, field])));
                    }
                    _ => own.extend(shape.column(&[name])),
                }
            }
            if shape.answered && !shape.failed {
                own.extend(["model", "request"].iter().filter_map(|field| shape.column(&[ANSWER, field])));
            }
            self.unite(&mut columns, own, place);
        }
        Some(columns)
    }

    /// Adds the columns of one input to those of the others; a name that one input gives twice is a clash.
    fn unite(&mut self, columns: &mut Vec<Column>, own: Vec<Column>, place: &Place) {
        let mut seen: Vec<(String, String)> = Vec::new();
        for column in own {
            let ColumnValue::Paths(paths) = &column.value else {
                if !columns.iter().any(|known| known.name == column.name) {
                    columns.push(column);
                }
                continue;
            };
            let path = paths[0].join(".");
            if let Some((_, first)) = seen.iter().find(|(name, _)| name.eq_ignore_ascii_case(&column.name)) {
                // Who answered is told only where the answer itself leaves the name free.
                if *first != path && !path.starts_with("answer.") {
                    let fault =
                        Fault::ColumnClash { column: column.name, first: first.clone(), second: path };
                    self.report(fault, place.clone());
                }
                continue;
            }
            seen.push((column.name.clone(), path));
            match columns.iter_mut().find(|known| known.name.eq_ignore_ascii_case(&column.name)) {
                None => columns.push(column),
                Some(known) => {
                    known.datatype = known.datatype.or(&column.datatype);
                    if let ColumnValue::Paths(known) = &mut known.value
                        && !known.contains(&paths[0])
                    {
                        known.push(paths[0].clone());
                    }
                }
            }
        }
    }
}

/// The column that holds the records' identity, where all inputs agree on one.
fn identity(shapes: &[Shape], columns: &[Column]) -> Option<String> {
    let first = shapes.first()?.key.clone();
    let agreed = shapes.iter().all(|shape| shape.key == first);
    let found = columns.iter().find(|column| match (&column.value, &first) {
        (ColumnValue::Key, _) => true,
        (ColumnValue::Paths(paths), Some(key)) => paths.iter().any(|path| path.len() == 1 && path[0] == *key),
        _ => false,
    });
    found.filter(|_| agreed).map(|column| column.name.clone())
}

fn merge<'a>(types: impl Iterator<Item = Option<&'a DataType>>) -> Option<DataType> {
    let mut merged: Option<DataType> = None;
    for of in types {
        let of = of?;
        merged = Some(merged.map_or_else(|| of.clone(), |merged| merged.or(of)));
    }
    merged
}

/// The path that an expression is, if it is nothing else.
fn path_of(text: &str) -> Option<Vec<String>> {
    let parts: Vec<String> = text.trim().split('.').map(str::to_owned).collect();
    let word = |part: &String| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !matches!(part.as_str(), "true" | "false" | "none" | "not")
    };
    parts.iter().all(word).then_some(parts)
}

impl Shape {
    /// The type of the field at a path.
    fn at(&self, path: &[String]) -> Option<&DataType> {
        let mut of = &self.fields.iter().find(|(name, _)| *name == path[0])?.1;
        for part in &path[1..] {
            let DataType::Struct(fields) = of else { return None };
            of = &fields.iter().find(|(name, _)| name == part)?.1;
        }
        Some(of)
    }

    fn column(&self, path: &[&str]) -> Option<Column> {
        let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
        let datatype = self.at(&path)?.clone();
        Some(Column { name: path.last()?.clone(), datatype, value: ColumnValue::Paths(vec![path]) })
    }
}
