//! A DuckDB value, read as its carrier type → [`Value`].

use duckdb::types::{Value as Owned, ValueRef};

use crate::record::Value;

/// The value of a field; `None` if its type is not a carrier.
pub(super) fn value(of: ValueRef<'_>) -> Option<Value> {
    match of {
        ValueRef::Null => Some(Value::Null),
        ValueRef::Boolean(value) => Some(Value::Boolean(value)),
        ValueRef::BigInt(value) => Some(Value::Integer(value)),
        ValueRef::Double(value) => Some(Value::Double(value)),
        ValueRef::Text(text) => std::str::from_utf8(text).ok().map(Value::from),
        nested => owned(nested.to_owned()),
    }
}

fn owned(of: Owned) -> Option<Value> {
    match of {
        Owned::Null => Some(Value::Null),
        Owned::Boolean(value) => Some(Value::Boolean(value)),
        Owned::BigInt(value) => Some(Value::Integer(value)),
        Owned::Double(value) => Some(Value::Double(value)),
        Owned::Text(text) => Some(text.into()),
        Owned::List(items) | Owned::Array(items) => {
            let items: Option<Vec<Value>> = items.into_iter().map(owned).collect();
            Some(Value::List(items?.into()))
        }
        Owned::Struct(fields) => {
            let values: Option<Vec<Value>> = fields.iter().map(|(_, value)| owned(value.clone())).collect();
            Some(Value::Struct(values?.into()))
        }
        _ => None,
    }
}
