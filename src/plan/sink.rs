//! Sinks: which columns a row has, of which types, from where.

use std::path::PathBuf;

use crate::{
    diagnostic::{Fault, Place},
    record::{LogicalType, same_name},
    spec::{Duplicates, Mode, Name, SinkSpec, Target as TargetSpec, Text},
};

use super::{Column, ColumnValue, Format, Sink, Target, compile::Compiler, shape::Shape};

impl Compiler<'_> {
    /// Compiles a sink over the shape of what it reads, if that is known.
    pub(super) fn sink(&mut self, name: &Name, spec: &SinkSpec, shape: Option<&Shape>) -> Option<Sink> {
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
        let shape = shape?;
        let key: Vec<String> = match &spec.key[..] {
            [] => shape.key.clone(),
            key => key.iter().map(|key| key.value.clone()).collect(),
        };
        let columns = match &spec.columns {
            Some(columns) => self.listed(columns, &key, shape),
            None => self.default_columns(&key, shape, &name.place),
        };
        for text in &spec.key {
            if !columns.iter().any(|column| same_name(&column.name, &text.value)) {
                let mut known: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
                known.extend(shape.schema.names().map(str::to_owned));
                known.dedup();
                let fault =
                    Fault::KeyNotAColumn { key: text.value.clone(), sink: name.value.to_string(), known };
                self.report(fault, text.place.clone());
            }
        }
        if mode == Mode::Upsert && key.is_empty() {
            let sink = name.value.to_string();
            self.report(Fault::NoKey { sink }, name.place.clone());
        }
        if spec.duplicates != Duplicates::Fail {
            self.can_tell_duplicates(spec.duplicates, mode, &key, &name.place);
        }
        let are_pieces = mode == Mode::Upsert && key == shape.key && key.len() > shape.source_key.len();
        let pieces_of = if are_pieces { shape.source_key.clone() } else { Vec::new() };
        Some(Sink { target, columns, key, pieces_of, mode, duplicates: spec.duplicates })
    }

    /// A duplicate is a row with the same key: without one, or where rows are only added, there is none.
    fn can_tell_duplicates(&mut self, duplicates: Duplicates, mode: Mode, key: &[String], place: &Place) {
        let wanted = match mode {
            Mode::Append => "`mode: upsert` or `mode: replace`: `mode: append` adds rows whatever their key",
            Mode::Replace if key.is_empty() => "a `key:` beside it, which tells which rows are duplicates",
            // An upsert without a key is a mistake of its own.
            Mode::Upsert | Mode::Replace => return,
        };
        let found = format!("`duplicates: {}`", duplicates.word());
        self.report(Fault::WrongShape { found, wanted: wanted.into() }, place.clone());
    }

    fn target(&self, format: Format, path: &Text) -> Target {
        let resolved: PathBuf = self.path(path);
        let shown = if path.secret { path.shown().to_owned() } else { resolved.display().to_string() };
        Target::File { format, path: resolved, shown }
    }

    /// The columns that the spec lists, and before them those of the key that it does not.
    fn listed(&mut self, columns: &[(Name, Text)], key: &[String], shape: &Shape) -> Vec<Column> {
        let is_listed = |name: &str| columns.iter().any(|(column, _)| same_name(&column.value, name));
        let mut out: Vec<Column> =
            key.iter().filter(|name| !is_listed(name)).filter_map(|name| shape.column(&[name])).collect();
        for (name, text) in columns {
            if out.iter().any(|column| same_name(&column.name, &name.value)) {
                self.report(Fault::RepeatedKey(name.value.to_string()), name.place.clone());
                continue;
            }
            let Some(datatype) = self.expression(text, Some(shape)) else { continue };
            let value = ColumnValue::Expression(text.value.clone());
            out.push(Column { name: name.value.to_string(), datatype, value });
        }
        out
    }

    /// The columns of a sink that lists none: the key, then the fields in order, answers with a schema unpacked
    /// one level, then who answered or why it failed.
    fn default_columns(&mut self, key: &[String], shape: &Shape, place: &Place) -> Vec<Column> {
        let mut columns: Vec<(Column, String)> = Vec::new();
        let mut add = |this: &mut Self, path: &[&str]| {
            let Some(column) = shape.column(path) else { return };
            let second = path.join(".");
            match columns.iter().find(|(known, _)| same_name(&known.name, &column.name)) {
                Some((_, first)) => {
                    let fault = Fault::ColumnClash { column: column.name, first: first.clone(), second };
                    this.report(fault, place.clone());
                }
                None => columns.push((column, second)),
            }
        };
        key.iter().for_each(|name| add(self, &[name]));
        for field in shape.schema.fields() {
            let is = |names: &[String]| names.iter().any(|name| same_name(name, &field.name));
            if is(key) || is(&shape.bulky) {
                continue;
            }
            match &field.datatype {
                LogicalType::Struct(parts) if is(&shape.answers) => {
                    parts.iter().for_each(|(part, _)| add(self, &[&field.name, part]));
                }
                _ => add(self, &[&field.name]),
            }
        }
        let mut columns: Vec<Column> = columns.into_iter().map(|(column, _)| column).collect();
        let mut also = |name: &str, datatype: LogicalType, value: ColumnValue| {
            // The user's own field of that name stays.
            if !columns.iter().any(|column| same_name(&column.name, name)) {
                columns.push(Column { name: name.to_owned(), datatype, value });
            }
        };
        if shape.failed {
            for part in ["stage", "kind", "reason", "attempts", "reply"] {
                let datatype = if part == "attempts" { LogicalType::BigInt } else { LogicalType::Varchar };
                also(part, datatype, ColumnValue::Expression(format!("etl.failure.{part}")));
            }
        } else if !shape.maps.is_empty() {
            also("model", LogicalType::Varchar, ColumnValue::Model);
            also("request", LogicalType::Varchar, ColumnValue::Request);
        }
        columns
    }
}

impl Shape {
    /// The column of a field, or of a part of one.
    fn column(&self, path: &[&str]) -> Option<Column> {
        let mut of = &self.schema.get(path.first()?)?.datatype;
        for part in &path[1..] {
            let LogicalType::Struct(fields) = of else { return None };
            of = &fields.iter().find(|(name, _)| name == part)?.1;
        }
        let value = ColumnValue::Field(path.iter().map(|part| (*part).to_owned()).collect());
        Some(Column { name: (*path.last()?).to_owned(), datatype: of.clone(), value })
    }
}
