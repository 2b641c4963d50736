//! Sinks: the columns of a row, with their types and values.

use crate::{
    diagnostic::{Fault, Place, RowsFault, Warning},
    record::{LogicalType, same_name},
    spec::{Duplicates, Mode, Name, SinkSpec, Stale, Target as TargetSpec, Text},
};

use super::{Column, ColumnValue, Owned, Sink, Target, compiler::Compiler, shape::Shape};

impl Compiler<'_> {
    /// Compiles a sink over its input shape, if known.
    pub(super) fn sink(&mut self, name: &Name, spec: &SinkSpec, shape: Option<&Shape>) -> Option<Sink> {
        let target = match &spec.target {
            None => Target::Table(name.value.to_string()),
            Some(TargetSpec::Table(table)) => Target::Table(table.value.to_string()),
            Some(TargetSpec::File(format, path)) => {
                let resolved = self.path(path);
                let shown =
                    if path.secret { path.shown().to_owned() } else { resolved.display().to_string() };
                Target::File { format, path: resolved, shown }
            }
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
            Some(columns) => self.listed(columns, (&key, !spec.key.is_empty()), shape),
            None => self.default_columns(&key, &spec.except, shape, &name.place),
        };
        let mut columns = self.cast_columns(columns, &spec.types);
        if spec.stale == Stale::Mark {
            self.mark_column(&mut columns, &name.place);
        }
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
        self.coarse_key(spec, mode, &columns, shape);
        let is_owned = mode == Mode::Upsert && matches!(target, Target::Table(_));
        if !is_owned && (spec.gone || spec.stale != Stale::Keep) {
            let found = "`gone:` or `stale:` where rows of earlier runs do not stay by their key".to_owned();
            let fault = Fault::WrongShape { found, wanted: "a table with `mode: upsert`".into() };
            self.report(fault, name.place.clone());
        }
        let owned = is_owned.then_some(Owned { stale: spec.stale, gone: spec.gone });
        if spec.duplicates != Duplicates::Fail {
            self.can_tell_duplicates(spec.duplicates, mode, &key, &name.place);
        }
        self.check_table(name, spec, &target, (mode, &key, &columns));
        Some(Sink { target, columns, key, owned, mode, duplicates: spec.duplicates })
    }

    /// Warns of a key that does not distinguish the pieces of a record.
    fn coarse_key(&mut self, spec: &SinkSpec, mode: Mode, columns: &[Column], shape: &Shape) {
        let Some(first) = spec.key.first() else { return };
        let is_of_the_source = |name: &Text| {
            shape.source_key.iter().any(|key| same_name(key, &name.value)) && columns.iter().any(|column| {
                same_name(&column.name, &name.value)
                    && matches!(&column.value, ColumnValue::Field(path) if same_name(&path[0], &name.value))
            })
        };
        let writes_once = mode != Mode::Append && spec.duplicates == Duplicates::Fail;
        if writes_once && shape.key.len() > shape.source_key.len() && spec.key.iter().all(is_of_the_source) {
            let key = spec.key.iter().map(|key| key.value.as_str()).collect::<Vec<_>>().join("`, `");
            self.warn(Warning::CoarseKey { key, pieces: shape.key.join(", ") }, first.place.clone());
        }
    }

    /// Checks the key and the column types of an existing table.
    fn check_table(
        &mut self,
        name: &Name,
        spec: &SinkSpec,
        target: &Target,
        (mode, key, columns): (Mode, &[String], &[Column]),
    ) {
        let Target::Table(table) = target else { return };
        if mode == Mode::Replace {
            return;
        }
        let key = (mode == Mode::Upsert).then_some(key);
        let columns: Vec<(String, LogicalType)> =
            columns.iter().map(|column| (column.name.clone(), column.datatype.clone())).collect();
        for fault in (self.around.check_table)(&name.value, table, key, &columns) {
            let place = match &fault {
                Fault::TableKey { .. } => spec.key.first().map(|key| &key.place),
                Fault::TableColumn { column, .. } => spec
                    .columns
                    .iter()
                    .flatten()
                    .chain(&spec.types)
                    .find(|(listed, _)| same_name(&listed.value, column))
                    .map(|(listed, _)| &listed.place),
                _ => None,
            };
            self.report(fault, place.unwrap_or(&name.place).clone());
        }
    }

    /// A duplicate is a row with the same key: without a key, or if rows are only added, there are none.
    fn can_tell_duplicates(&mut self, duplicates: Duplicates, mode: Mode, key: &[String], place: &Place) {
        let wanted = match mode {
            Mode::Append => {
                "`mode: upsert` or `mode: replace`: `mode: append` adds rows regardless of their key"
            }
            Mode::Replace if key.is_empty() => "a `key:` beside it, which tells which rows are duplicates",
            // An upsert without a key is reported separately.
            Mode::Upsert | Mode::Replace => return,
        };
        let found = format!("`duplicates: {}`", duplicates.word());
        self.report(Fault::WrongShape { found, wanted: wanted.into() }, place.clone());
    }

    /// The key columns missing in the spec's list, then the listed columns. Unless the sink sets `key:`, a listed
    /// column with the name of a key field must hold that field.
    fn listed(
        &mut self,
        columns: &[(Name, Text)],
        (key, is_said): (&[String], bool),
        shape: &Shape,
    ) -> Vec<Column> {
        let is_listed = |name: &str| columns.iter().any(|(column, _)| same_name(&column.value, name));
        let mut out: Vec<Column> =
            key.iter().filter(|name| !is_listed(name)).filter_map(|name| shape.column(&[name])).collect();
        for (name, text) in columns {
            if out.iter().any(|column| same_name(&column.name, &name.value)) {
                let first = columns.iter().find(|(column, _)| same_name(&column.value, &name.value));
                let first =
                    first.map(|(column, _)| column.place.clone()).filter(|first| *first != name.place);
                self.report(Fault::RepeatedKey { key: name.value.to_string(), first }, name.place.clone());
                continue;
            }
            let Some(datatype) = self.expression(text, Some(shape)) else { continue };
            if let Some(key) = key.iter().find(|key| same_name(key, &name.value))
                && !is_said
                && !same_name(text.value.trim().trim_matches('"'), key)
            {
                let fault = RowsFault::AnotherKey(name.value.to_string());
                self.report(Fault::Rows(fault), name.place.clone());
            }
            let value = ColumnValue::Expression(text.value.clone());
            out.push(Column { name: name.value.to_string(), datatype, value });
        }
        out
    }
}
