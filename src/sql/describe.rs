//! The columns of a query and their types, without running it.

use duckdb::Connection;

use crate::record::{LogicalType, Schema, parse_type, quote, same_name};

use super::SqlError;

/// The columns of a query, in order; names may be duplicates.
///
/// # Errors
/// DuckDB's error if the query does not bind.
pub fn columns(connection: &Connection, query: &str) -> Result<Vec<(String, LogicalType)>, SqlError> {
    let mut statement = connection.prepare(&format!("DESCRIBE {query}"))?;
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, parse_type(&row.get::<_, String>(1)?).as_column()))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A query without rows, with the columns of a schema.
pub(super) fn no_rows(schema: &Schema) -> String {
    let columns: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| format!("CAST(NULL AS {}) AS {}", field.datatype.sql(), quote(&field.name)))
        .collect();
    let columns = if columns.is_empty() { "1 AS nothing".to_owned() } else { columns.join(", ") };
    format!("SELECT {columns} WHERE false")
}

/// Relations without rows as common table expressions, to start a statement with.
pub fn without_rows(relations: &[(&str, &Schema)]) -> String {
    let relations =
        relations.iter().map(|(name, schema)| format!("{} AS ({})", quote(name), no_rows(schema)));
    format!("WITH {}", relations.collect::<Vec<_>>().join(", "))
}

/// The schema of a query.
///
/// # Errors
/// DuckDB's error, and duplicate column names.
pub fn describe(connection: &Connection, query: &str) -> Result<Schema, SqlError> {
    let columns = columns(connection, query)?;
    for (at, (name, _)) in columns.iter().enumerate() {
        if let Some(first) = columns[..at].iter().position(|(other, _)| same_name(other, name)) {
            return Err(SqlError(format!(
                "columns {} and {} of the result are both called `{name}`: rename one with `AS`",
                first + 1,
                at + 1
            )));
        }
    }
    Ok(Schema::new(columns))
}
