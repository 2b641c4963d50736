//! Values as Arrow arrays of their carrier types; see [`LogicalType::carrier`]. Called by the table function for
//! chunks.

use std::sync::Arc;

use duckdb::{
    arrow::{
        array::{
            Array, ArrayRef, BooleanArray, Float64Array, Int64Array, LargeStringArray, ListArray, StructArray,
        },
        buffer::{NullBuffer, OffsetBuffer},
        datatypes::{Field, Fields},
    },
    core::{LogicalTypeHandle, LogicalTypeId},
};

use crate::record::{LogicalType, Value};

/// The carrier of a type, as declared by a table function.
pub(super) fn handle(of: &LogicalType) -> LogicalTypeHandle {
    match of {
        LogicalType::List(of) | LogicalType::Array(of, _) => LogicalTypeHandle::list(&handle(of)),
        LogicalType::Struct(fields) => {
            let fields: Vec<(&str, LogicalTypeHandle)> =
                fields.iter().map(|(name, of)| (name.as_str(), handle(of))).collect();
            LogicalTypeHandle::struct_type(&fields)
        }
        LogicalType::Boolean => LogicalTypeId::Boolean.into(),
        LogicalType::Double => LogicalTypeId::Double.into(),
        of if of.is_small_integer() => LogicalTypeId::Bigint.into(),
        _ => LogicalTypeId::Varchar.into(),
    }
}

/// The values of a type as an array of its carrier.
///
/// # Errors
/// A value that does not have this type: nothing else would detect it.
pub(super) fn array(of: &LogicalType, values: &[&Value]) -> Result<ArrayRef, String> {
    Ok(match of {
        LogicalType::List(of) | LogicalType::Array(of, _) => Arc::new(lists(of, values)?),
        LogicalType::Struct(fields) => Arc::new(structs(fields, values)?),
        LogicalType::Boolean => Arc::new(leaves(of, values, as_boolean)?.collect::<BooleanArray>()),
        LogicalType::Double => Arc::new(leaves(of, values, as_double)?.collect::<Float64Array>()),
        of if of.is_small_integer() => Arc::new(leaves(of, values, as_integer)?.collect::<Int64Array>()),
        _ => Arc::new(values.iter().map(|value| value.leaf()).collect::<LargeStringArray>()),
    })
}

fn leaves<T>(
    of: &LogicalType,
    values: &[&Value],
    read: fn(&Value) -> Option<T>,
) -> Result<impl Iterator<Item = Option<T>>, String> {
    let leaf = |value: &&Value| match value {
        Value::Null => Ok(None),
        value => match read(value) {
            Some(leaf) => Ok(Some(leaf)),
            None => Err(format!("expected a {}, found `{}`", of.sql(), value.leaf().unwrap_or_default())),
        },
    };
    Ok(values.iter().map(leaf).collect::<Result<Vec<_>, _>>()?.into_iter())
}

fn as_boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Boolean(value) => Some(*value),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn as_double(value: &Value) -> Option<f64> {
    match value {
        Value::Double(value) => Some(*value),
        Value::Integer(value) => Some(*value as f64),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn as_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(value) => Some(*value),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn lists(of: &LogicalType, values: &[&Value]) -> Result<ListArray, String> {
    let lists: Vec<&[Value]> = values
        .iter()
        .map(|value| match value {
            Value::List(items) => &**items,
            _ => &[],
        })
        .collect();
    let items = array(of, &lists.iter().copied().flatten().collect::<Vec<_>>())?;
    let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths(lists.iter().map(|list| list.len()));
    let nulls: NullBuffer = values.iter().map(|value| matches!(value, Value::List(_))).collect();
    ListArray::try_new(field, offsets, items, Some(nulls)).map_err(|error| error.to_string())
}

fn structs(fields: &[(String, LogicalType)], values: &[&Value]) -> Result<StructArray, String> {
    let mut columns = Vec::with_capacity(fields.len());
    for (at, (name, of)) in fields.iter().enumerate() {
        let parts: Vec<&Value> = values
            .iter()
            .map(|value| match value {
                Value::Struct(parts) => parts.get(at).unwrap_or(&Value::Null),
                _ => &Value::Null,
            })
            .collect();
        let column = array(of, &parts)?;
        columns.push((Field::new(name, column.data_type().clone(), true), column));
    }
    let nulls: NullBuffer = values.iter().map(|value| matches!(value, Value::Struct(_))).collect();
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    StructArray::try_new(Fields::from(fields), columns, Some(nulls)).map_err(|error| error.to_string())
}
