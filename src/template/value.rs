//! Typed values as Jinja sees them. Main type: [`Container`], a list or a struct that prints as JSON.

use std::{fmt, sync::Arc};

use minijinja::{
    Value as Jinja,
    value::{Enumerator, Object, ObjectRepr},
};

use crate::record::{ETL, LogicalType, Record, Value, etl_type, json_text, same_name};

/// A record as the context of a template: its fields, and `etl`.
pub(super) fn of_record(record: &Record, maps: &Arc<[Arc<str>]>) -> Jinja {
    Jinja::from_object(Context { record: record.clone(), maps: Arc::clone(maps) })
}

#[derive(Debug)]
struct Context {
    record: Record,
    maps: Arc<[Arc<str>]>,
}

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let name = key.as_str()?;
        if name == ETL {
            return Some(Jinja::from_object(Etl(Arc::clone(self))));
        }
        field(&self.record, name)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names = self.record.schema.names().map(Jinja::from);
        Enumerator::Values(names.chain([Jinja::from(ETL)]).collect())
    }
}

fn field(record: &Record, name: &str) -> Option<Jinja> {
    let at = record.schema.position(name)?;
    Some(of_value(&record.values[at], &record.schema.fields()[at].datatype))
}

/// `etl`: the built-in facts about a record, and all its fields, for names that are not identifiers.
#[derive(Debug)]
struct Etl(Arc<Context>);

impl Object for Etl {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let name = key.as_str()?;
        if name == "fields" {
            return Some(Jinja::from_object(Fields(self.0.record.clone())));
        }
        let record = &self.0.record;
        part(&record.about.value(&record.key, &self.0.maps), &etl_type(&self.0.maps), name)
    }
}

#[derive(Debug)]
struct Fields(Record);

impl Object for Fields {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        field(&self.0, key.as_str()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.schema.names().map(Jinja::from).collect())
    }
}

/// A list or a struct with its type.
#[derive(Debug)]
pub(super) struct Container {
    value: Value,
    datatype: LogicalType,
}

impl Container {
    /// Its JSON text: exact numbers with all digits, NULL as `null`.
    pub(super) fn json(&self) -> String {
        json_text(&self.value, &self.datatype)
    }
}

impl Object for Container {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        if matches!(self.value, Value::List(_)) { ObjectRepr::Seq } else { ObjectRepr::Map }
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        match (&self.value, &self.datatype) {
            (Value::List(items), LogicalType::List(of) | LogicalType::Array(of, _)) => {
                let item = items.get(key.as_usize()?)?;
                Some(of_value(item, of))
            }
            _ => part(&self.value, &self.datatype, key.as_str()?),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match (&self.value, &self.datatype) {
            (Value::List(items), _) => Enumerator::Seq(items.len()),
            (_, LogicalType::Struct(fields)) => {
                Enumerator::Values(fields.iter().map(|(name, _)| Jinja::from(name.as_str())).collect())
            }
            _ => Enumerator::Empty,
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.json())
    }
}

fn part(value: &Value, of: &LogicalType, name: &str) -> Option<Jinja> {
    let (Value::Struct(values), LogicalType::Struct(fields)) = (value, of) else { return None };
    let at = fields.iter().position(|(field, _)| same_name(field, name))?;
    Some(of_value(&values[at], &fields[at].1))
}

/// Converts a value. NULL is undefined, so that it can be tested but not used.
fn of_value(value: &Value, of: &LogicalType) -> Jinja {
    match value {
        Value::Null => Jinja::UNDEFINED,
        Value::Boolean(value) => Jinja::from(*value),
        Value::Integer(value) => Jinja::from(*value),
        Value::Double(value) => Jinja::from(*value),
        Value::Text(text) => Jinja::from(Arc::clone(text)),
        Value::List(_) | Value::Struct(_) => {
            Jinja::from_object(Container { value: value.clone(), datatype: of.clone() })
        }
    }
}

/// Whether a path (`about.year`, `etl.failure.reason`) leads to NULL.
pub(super) fn is_null(record: &Record, maps: &Arc<[Arc<str>]>, path: &str) -> bool {
    let mut parts = path.split('.');
    let first = parts.next().unwrap_or_default();
    let (etl, etl_of) = (record.about.value(&record.key, maps), etl_type(maps));
    let (mut value, mut of) = match record.schema.position(first) {
        Some(at) => (&record.values[at], &record.schema.fields()[at].datatype),
        None if first == ETL => (&etl, &etl_of),
        None => return false,
    };
    for part in parts {
        let (Value::Struct(values), LogicalType::Struct(fields)) = (value, of) else { break };
        let Some(at) = fields.iter().position(|(field, _)| same_name(field, part)) else { break };
        (value, of) = (&values[at], &fields[at].1);
    }
    value.is_null()
}
