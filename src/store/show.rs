//! The result of a query by a user, for display. Main function: [`show`].

use std::path::Path;

use duckdb::Connection;

use crate::{
    diagnostic::nearest,
    record::{LogicalType, Value, json_text, quote},
    sql::{SqlError, carried, describe, each_row, explained, message},
};

use super::{StoreError, query::read_only};

/// The column names, and the rows as text; `None` for NULL.
pub type Shown = (Vec<String>, Vec<Vec<Option<String>>>);

/// The result of a query as text columns with their names; the database is read-only.
///
/// # Errors
/// What is wrong with the query or the database.
pub fn show(database: &Path, sql: &str) -> Result<Shown, StoreError> {
    let (connection, sql) = checked(database, sql)?;
    let as_text = format!("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ({sql}\n)");
    let mut statement = connection.prepare(&as_text).map_err(|_| not_a_query())?;
    let mut rows = statement.query([]).map_err(|error| refused(&connection, &error))?;
    let names = rows.as_ref().map(duckdb::Statement::column_names).unwrap_or_default();
    let mut out = Vec::new();
    while let Some(row) = rows.next().map_err(|error| refused(&connection, &error))? {
        out.push((0..names.len()).map(|at| row.get(at)).collect::<Result<Vec<Option<String>>, _>>()?);
    }
    Ok((names, out))
}

/// The result of a query as JSON objects, one for each row. Numbers keep all their digits.
///
/// # Errors
/// As [`show`], and two columns of one name.
pub fn show_json(database: &Path, sql: &str) -> Result<Vec<String>, StoreError> {
    let (connection, sql) = checked(database, sql)?;
    // `SHOW TABLES` can be described only inside of a query.
    let sql = format!("SELECT * FROM ({sql}\n)");
    let invalid = |why: &str| StoreError::Query(format!("the query is not valid: {}", explained(why)));
    let schema = describe(&connection, &sql).map_err(|error| invalid(&error.0))?;
    let of = schema.fields().iter().map(|field| (field.name.to_string(), field.datatype.clone()));
    let of = LogicalType::Struct(of.collect());
    let mut statement = connection.prepare(&carried(&sql, &schema)).map_err(|_| not_a_query())?;
    let mut out = Vec::new();
    each_row(&mut statement, |values| {
        out.push(json_text(&Value::Struct(values.into()), &of));
        Ok::<bool, SqlError>(true)
    })
    .map_err(|error| invalid(&error.0))?;
    Ok(out)
}

/// The database, opened read-only, and the query, which is one that DuckDB accepts.
fn checked<'a>(database: &Path, sql: &'a str) -> Result<(Connection, &'a str), StoreError> {
    let connection = read_only(database).map_err(|error| StoreError::opening(database, &error))?;
    let sql = sql.trim().trim_end_matches(';').trim_end();
    if sql.is_empty() {
        return Err(StoreError::Query("the query is empty".to_owned()));
    }
    // Preparing several statements would run all but the last one.
    if !is_one_query(&connection, sql) {
        return Err(not_a_query());
    }
    // Prepared alone first: errors of a statement around it would quote that statement.
    connection.prepare(sql).map_err(|error| refused(&connection, &error))?;
    Ok((connection, sql))
}

/// Whether a text is at most one statement, and that a query. What cannot be parsed is left to DuckDB's message.
fn is_one_query(connection: &Connection, sql: &str) -> bool {
    let tree: Result<String, _> =
        connection.query_row("SELECT json_serialize_sql(?::VARCHAR)", [sql], |row| row.get(0));
    let tree = tree.ok().and_then(|tree| serde_json::from_str::<serde_json::Value>(&tree).ok());
    tree.is_some_and(|tree| match tree["error"].as_bool() {
        Some(true) => tree["error_type"] != "not implemented",
        _ => tree["statements"].as_array().map_or(0, Vec::len) == 1,
    })
}

fn not_a_query() -> StoreError {
    StoreError::Query(
        "expected one query (`SELECT`, `FROM`, `WITH`, `DESCRIBE`, `SUMMARIZE`, `SHOW TABLES`): the database is \
         opened read-only"
            .to_owned(),
    )
}

/// Why DuckDB refuses the query; for an unknown table, the nearest one in this database.
fn refused(connection: &Connection, error: &duckdb::Error) -> StoreError {
    let why = message(error);
    if why.contains("read-only mode") || why.contains("read-only transaction") {
        return not_a_query();
    }
    let unknown = why.split("Table with name ").nth(1).and_then(|rest| rest.split(" does not exist").next());
    let Some(unknown) = unknown else {
        return StoreError::Query(format!("the query is not valid: {}", explained(&why)));
    };
    let tables = tables(connection).unwrap_or_default();
    let near = nearest(unknown, tables.iter().map(String::as_str)).or_else(|| {
        tables.iter().map(String::as_str).find(|table| table.strip_prefix("etl.") == Some(unknown))
    });
    let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    StoreError::Query(format!("there is no table `{unknown}`{near} (tables: {})", tables.join(", ")))
}

/// The tables and views of the database, as a query would name them.
fn tables(connection: &Connection) -> Result<Vec<String>, duckdb::Error> {
    let mut statement = connection.prepare(
        "SELECT table_schema, table_name FROM information_schema.tables ORDER BY table_schema <> 'main', table_name",
    )?;
    let plain = |name: &str| name.chars().all(|c| c.is_alphanumeric() || c == '_');
    let names = statement.query_map([], |row| {
        let (schema, table): (String, String) = (row.get(0)?, row.get(1)?);
        let table = if plain(&table) { table } else { quote(&table) };
        Ok(if schema == "main" { table } else { format!("{schema}.{table}") })
    })?;
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_query_is_said_in_its_own_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.duckdb");
        Connection::open(&path)
            .unwrap()
            .execute_batch(
                "CREATE TABLE people (name VARCHAR); CREATE SCHEMA etl; CREATE TABLE etl.runs (run INT)",
            )
            .unwrap();
        let cases = [
            ("", "the query is empty"),
            (" ; ", "the query is empty"),
            ("INSERT INTO people VALUES ('a')", "expected one query"),
            ("DROP TABLE people", "expected one query"),
            ("SET threads = 1", "expected one query"),
            ("SELECT 1; SELECT 2", "expected one query"),
            (
                "SELECT * FROM peple",
                "there is no table `peple`; did you mean `people`? (tables: people, etl.runs)",
            ),
            (
                "SELECT * FROM runs",
                "there is no table `runs`; did you mean `etl.runs`? (tables: people, etl.runs)",
            ),
            (
                "SELECT nme FROM people",
                "the query is not valid: Referenced column \"nme\" not found in FROM clause",
            ),
            ("SELEC 1", "the query is not valid: syntax error at or near \"SELEC\""),
            (
                "SELECT CAST(name AS INT) FROM (SELECT 'x' AS name)",
                "the query is not valid: Could not convert",
            ),
        ];
        for (query, wanted) in cases {
            let error = show(&path, query).unwrap_err().to_string();
            assert!(error.contains(wanted), "{query}: {error}");
            assert!(!error.contains("COLUMNS(*)") && !error.contains("pg_"), "{query}: {error}");
        }
        let copied = folder.path().join("copied.csv");
        let copy = format!("COPY people TO '{}'; SELECT 1", copied.display());
        for query in [copy.clone(), format!("SELECT 1); {copy}; SELECT * FROM (SELECT 2")] {
            assert!(show(&path, &query).is_err() && !copied.exists(), "{query}");
        }
        for query in ["FROM people;", "SHOW TABLES", "DESCRIBE people", "SUMMARIZE people", "VALUES (1), (2)"]
        {
            assert!(show(&path, query).is_ok(), "{query}: {:?}", show(&path, query));
        }
    }
}
