//! The columns of a sink: by default the fields of a record, without `except:`, cast by `types:`.

use crate::{
    diagnostic::{Fault, Place, RowsFault, Warning},
    record::{LogicalType, Schema, quote, same_name},
    spec::{Name, Text},
};

use super::{Column, ColumnValue, cast::checked_cast, compiler::Compiler, inputs::declared, shape::Shape};

/// The column of `stale: mark`.
pub(crate) const STALE: &str = "stale";

impl Compiler<'_> {
    /// The columns of a sink that lists none: the key, then the fields in order, answers with a schema unpacked
    /// one level, then the model or the failure; without those of `except:`.
    pub(super) fn default_columns(
        &mut self,
        key: &[String],
        except: &[Text],
        shape: &Shape,
        place: &Place,
    ) -> Vec<Column> {
        let candidates = candidates(key, shape);
        for text in except {
            let is_known = |(path, _): &(String, Column)| covers(&text.value, path);
            if !candidates.iter().any(is_known) && shape.schema.get(&text.value).is_none() {
                let known = candidates.iter().map(|(path, _)| path.clone()).collect();
                self.report(Fault::UnknownField { name: text.value.clone(), known }, text.place.clone());
            }
        }
        let kept =
            candidates.into_iter().filter(|(path, _)| !except.iter().any(|text| covers(&text.value, path)));
        let mut columns: Vec<(String, Column)> = Vec::new();
        for (second, column) in kept {
            match columns.iter().find(|(_, known)| same_name(&known.name, &column.name)) {
                // The user's own field of that name stays.
                Some(_) if is_own(&column) => self.hidden(&column, shape, place),
                Some((first, _)) => {
                    let fault =
                        Fault::Rows(RowsFault::Clash { column: column.name, first: first.clone(), second });
                    self.report(fault, place.clone());
                }
                None => columns.push((second, column)),
            }
        }
        columns.into_iter().map(|(_, column)| column).collect()
    }

    /// Checks that a key consists of fields.
    pub(super) fn key_fields(&mut self, key: &[Text], schema: &Schema) {
        for text in key.iter().filter(|text| schema.get(&text.value).is_none()) {
            let name = text.value.clone();
            let part = name.rsplit_once('.').filter(|(path, _)| {
                let first = path.split('.').next().unwrap_or_default();
                schema.get(first).is_some()
            });
            let fault = match part {
                Some((_, part)) => Fault::Expression {
                    what: format!("`{name}` is not a field, as a key must be"),
                    help: format!(
                        "make it a field in a map below (`fields: {{ {part}: {name} }}`), and set `key: {part}` on the sink"
                    ),
                },
                None => Fault::UnknownField { name, known: schema.names().map(str::to_owned).collect() },
            };
            self.report(fault, text.place.clone());
        }
    }

    /// Warns that a built-in column is not written.
    fn hidden(&mut self, column: &Column, shape: &Shape, place: &Place) {
        let map = shape.maps.last().map_or("MAP", |map| &**map);
        let (what, value) = match &column.value {
            ColumnValue::Model => ("the model that answered", format!("etl.{map}.model")),
            ColumnValue::Request => ("the request", format!("etl.{map}.request")),
            ColumnValue::Expression(text) => ("what is known of the failure", text.clone()),
            ColumnValue::Field(_) => return,
        };
        self.warn(Warning::Hidden { column: column.name.clone(), what, value }, place.clone());
    }

    /// The columns, cast to the types in `types:`.
    pub(super) fn cast_columns(&mut self, mut columns: Vec<Column>, types: &[(Name, Text)]) -> Vec<Column> {
        for (name, word) in types {
            let Some(of) = self.declared(word) else { continue };
            match columns.iter_mut().find(|column| same_name(&column.name, &name.value)) {
                Some(column) => column.cast(of),
                None => {
                    let known = columns.iter().map(|column| column.name.clone()).collect();
                    let fault = Fault::UnknownField { name: name.value.to_string(), known };
                    self.report(fault, name.place.clone());
                }
            }
        }
        columns
    }

    /// Adds the column that marks a row of an earlier run whose record failed in the last run.
    pub(super) fn mark_column(&mut self, columns: &mut Vec<Column>, place: &Place) {
        if let Some(known) = columns.iter().find(|column| same_name(&column.name, STALE)) {
            let (first, second) = (format!("field `{}`", known.name), "`stale: mark`".to_owned());
            let fault = Fault::Rows(RowsFault::Clash { column: STALE.to_owned(), first, second });
            self.report(fault, place.clone());
        }
        let value = ColumnValue::Expression("false".to_owned());
        columns.push(Column { name: STALE.to_owned(), datatype: LogicalType::Boolean, value });
    }

    /// The type declared by a word.
    pub(super) fn declared(&mut self, word: &Text) -> Option<LogicalType> {
        let of = declared(&word.value);
        if of.is_none() {
            let (found, known) = (word.value.clone(), super::inputs::declared_words());
            self.report(Fault::UnknownWord { what: "type", found, known }, word.place.clone());
        }
        of
    }
}

/// Whether an entry of `except:` names a column, or the answer that contains it.
fn covers(entry: &str, path: &str) -> bool {
    let answer = path.split_once('.').map_or(path, |(answer, _)| answer);
    same_name(entry, path) || same_name(entry, answer)
}

/// Whether a column is built in, so that a field with its name takes precedence.
const fn is_own(column: &Column) -> bool {
    !matches!(column.value, ColumnValue::Field(_))
}

/// All possible columns with their paths, in order.
fn candidates(key: &[String], shape: &Shape) -> Vec<(String, Column)> {
    let mut found = Vec::new();
    // Also a list within an answer that was split.
    let is_bulky = |path: &str| shape.bulky.iter().any(|bulky| same_name(bulky, path));
    let mut add = |path: &[&str]| {
        let name = path.join(".");
        if !is_bulky(&name) || key.iter().any(|key| same_name(key, &name)) {
            found.extend(shape.column(path).map(|column| (name, column)));
        }
    };
    key.iter().for_each(|name| add(&[name]));
    for field in shape.schema.fields() {
        let is = |names: &[String]| names.iter().any(|name| same_name(name, &field.name));
        if is(key) || is(&shape.bulky) {
            continue;
        }
        match &field.datatype {
            LogicalType::Struct(parts) if is(&shape.answers) => {
                parts.iter().for_each(|(part, _)| add(&[&field.name, part]));
            }
            _ => add(&[&field.name]),
        }
    }
    let mut own = |name: &str, datatype: LogicalType, value: ColumnValue| {
        found.push((name.to_owned(), Column { name: name.to_owned(), datatype, value }));
    };
    if shape.failed {
        for part in ["stage", "kind", "reason", "attempts", "reply"] {
            let datatype = if part == "attempts" { LogicalType::BigInt } else { LogicalType::Varchar };
            own(part, datatype, ColumnValue::Expression(format!("etl.failure.{part}")));
        }
    } else if !shape.maps.is_empty() {
        own("model", LogicalType::Varchar, ColumnValue::Model);
        own("request", LogicalType::Varchar, ColumnValue::Request);
    }
    found
}

impl Column {
    fn cast(&mut self, of: LogicalType) {
        let value = match &self.value {
            ColumnValue::Field(path) => path.iter().map(|part| quote(part)).collect::<Vec<_>>().join("."),
            ColumnValue::Expression(text) => format!("({text}\n)"),
            ColumnValue::Model | ColumnValue::Request => return,
        };
        self.value = ColumnValue::Expression(checked_cast(&self.name, &value, &self.datatype, &of));
        self.datatype = of;
    }
}

impl Shape {
    /// The column of a field or a part of one.
    pub(super) fn column(&self, path: &[&str]) -> Option<Column> {
        let mut of = &self.schema.get(path.first()?)?.datatype;
        for part in &path[1..] {
            let LogicalType::Struct(fields) = of else { return None };
            of = &fields.iter().find(|(name, _)| name == part)?.1;
        }
        let value = ColumnValue::Field(path.iter().map(|part| (*part).to_owned()).collect());
        Some(Column { name: (*path.last()?).to_owned(), datatype: of.clone(), value })
    }
}
