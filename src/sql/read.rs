//! DuckDB → values: reads the rows of a statement whose columns are carriers of their types.

use duckdb::{
    Statement,
    arrow::array::{
        Array, ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, StringArray, StructArray,
    },
};

use crate::record::{Schema, Value, quote};

use super::SqlError;

/// The query with each column cast to the carrier of its type.
pub fn carried(query: &str, schema: &Schema) -> String {
    let columns: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| (quote(&field.name), &field.datatype))
        .map(|(name, of)| format!("{} AS {name}", of.carried(&name)))
        .collect();
    format!("SELECT {} FROM ({query}\n)", columns.join(", "))
}

/// Runs a statement and calls `each` with every row, in order and as they are computed, until it returns `false`.
///
/// # Errors
/// DuckDB's error, even after the first rows.
pub fn each_row<E: From<SqlError>>(
    statement: &mut Statement<'_>,
    mut each: impl FnMut(Vec<Value>) -> Result<bool, E>,
) -> Result<(), E> {
    let failed = |error: duckdb::Error| E::from(SqlError::from(error));
    // The Arrow iterator panics if a later batch fails. Dropping it leaves the statement executed.
    drop(statement.stream_arrow([]).map_err(failed)?);
    while let Some(batch) = statement.step().map_err(failed)? {
        for row in 0..batch.len() {
            let values = batch.columns().iter().map(|column| value(column, row)).collect();
            if !each(values)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The value of a carrier. For any other type it is NULL.
pub(super) fn value(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let any = array.as_any();
    if let Some(texts) = any.downcast_ref::<StringArray>() {
        return Value::from(texts.value(row));
    }
    if let Some(integers) = any.downcast_ref::<Int64Array>() {
        return Value::Integer(integers.value(row));
    }
    if let Some(doubles) = any.downcast_ref::<Float64Array>() {
        return Value::Double(doubles.value(row));
    }
    if let Some(booleans) = any.downcast_ref::<BooleanArray>() {
        return Value::Boolean(booleans.value(row));
    }
    if let Some(lists) = any.downcast_ref::<ListArray>() {
        let items = lists.value(row);
        return Value::List((0..items.len()).map(|at| value(&items, at)).collect());
    }
    if let Some(structs) = any.downcast_ref::<StructArray>() {
        return Value::Struct(structs.columns().iter().map(|column| value(column, row)).collect());
    }
    Value::Null
}
