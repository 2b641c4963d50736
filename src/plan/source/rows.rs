//! Records written in the spec, and the types of their fields.

use std::sync::Arc;

use crate::{
    diagnostic::Place,
    record::{LogicalType, Record, Schema, from_json, same_name},
};

/// Records written in the spec. Each field has the type that holds all its values.
pub(super) fn rows(rows: &[(Place, serde_json::Value)]) -> (Vec<Record>, Schema) {
    let mut schema = Schema::default();
    let values = rows.iter().filter_map(|(_, row)| row.as_object());
    for (name, value) in values.clone().flatten() {
        let Some(of) = of_value(value) else { continue };
        let known = schema.get(name).map(|field| field.datatype.clone());
        let of = known.map_or(of.clone(), |known| either(&known, &of));
        schema.set(name.as_str(), of);
    }
    schema =
        Schema::new(schema.fields().iter().map(|field| (Arc::clone(&field.name), settled(&field.datatype))));
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
    let records = records.collect();
    (records, schema)
}

/// The type of a value in the spec; `None` for NULL.
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
            let item = types.into_iter().reduce(|a, b| either(&a, &b)).unwrap_or_else(unknown);
            LogicalType::List(Box::new(item))
        }
        Value::Object(fields) if fields.is_empty() => LogicalType::Json,
        Value::Object(fields) => LogicalType::Struct(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), of_value(value).unwrap_or_else(unknown)))
                .collect(),
        ),
    })
}

/// A placeholder for the item of an empty list or a NULL inside a struct, until another row gives the type.
fn unknown() -> LogicalType {
    LogicalType::Other("\"NULL\"".to_owned())
}

/// Replaces unknown parts of a type with text.
fn settled(of: &LogicalType) -> LogicalType {
    match of {
        of if *of == unknown() => LogicalType::Varchar,
        LogicalType::List(item) => LogicalType::List(Box::new(settled(item))),
        LogicalType::Struct(fields) => {
            LogicalType::Struct(fields.iter().map(|(name, of)| (name.clone(), settled(of))).collect())
        }
        of => of.clone(),
    }
}

/// The type for values of both types, or JSON if no other holds both. `1` beside `0.5` is a number.
fn either(a: &LogicalType, b: &LogicalType) -> LogicalType {
    match (a, b) {
        (none, other) | (other, none) if *none == unknown() => other.clone(),
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
