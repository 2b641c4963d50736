//! Sink files: written by DuckDB under a temporary name at the end of a run, once the tables are in place.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

use duckdb::Connection;

use crate::{
    files::FileFormat,
    record::{LogicalType, literal, quote},
    sql,
};

use super::StoreError;

/// Writes a table to a file: a reader sees either all of it or the previous file.
pub(super) fn write(
    connection: &Connection,
    working: &str,
    names: &[&str],
    path: &Path,
    format: &FileFormat,
) -> Result<(), StoreError> {
    let failed = |why: String| StoreError::File { path: path.to_owned(), why };
    let path = std::path::absolute(path).map_err(|error| failed(error.to_string()))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let partial = folder.join(format!(".{name}.partial"));
    let rows = if format.exact_integers { working.to_owned() } else { exact(connection, working)? };
    let copy = |to: &Path, options: &str| {
        let to = literal(&to.display().to_string());
        connection.execute_batch(&format!("COPY {rows} TO {to} ({options})")).map_err(|error| {
            match StoreError::from(error) {
                StoreError::Sql(why) => failed(why),
                other => other,
            }
        })
    };
    match format.headless.filter(|_| !names.iter().all(|name| is_plain(name))) {
        None => copy(&partial, format.copy)?,
        Some(options) => {
            let rows = folder.join(format!(".{name}.rows"));
            copy(&rows, options)?;
            let joined = join(&header(names), &rows, &partial);
            let removed = std::fs::remove_file(&rows);
            joined.and(removed).map_err(|error| failed(error.to_string()))?;
        }
    }
    std::fs::rename(&partial, &path).map_err(|error| failed(error.to_string()))
}

/// The rows of a table with types that Parquet holds exactly: DuckDB would write HUGEINT as DOUBLE.
fn exact(connection: &Connection, table: &str) -> Result<String, StoreError> {
    let columns = sql::columns(connection, &format!("SELECT * FROM {table}"))?;
    if columns.iter().all(|(_, of)| exact_type(of) == *of) {
        return Ok(table.to_owned());
    }
    let column = |(name, of): &(String, LogicalType)| {
        let name = quote(name);
        format!("CAST({name} AS {}) AS {name}", exact_type(of).sql())
    };
    Ok(format!("(SELECT {} FROM {table})", columns.iter().map(column).collect::<Vec<_>>().join(", ")))
}

fn exact_type(of: &LogicalType) -> LogicalType {
    match of {
        LogicalType::HugeInt | LogicalType::UHugeInt => LogicalType::Decimal { width: 38, scale: 0 },
        LogicalType::List(of) => LogicalType::List(Box::new(exact_type(of))),
        LogicalType::Array(of, length) => LogicalType::Array(Box::new(exact_type(of)), *length),
        LogicalType::Struct(fields) => {
            LogicalType::Struct(fields.iter().map(|(name, of)| (name.clone(), exact_type(of))).collect())
        }
        // A map, for example.
        LogicalType::Other(text) if text.contains("HUGEINT") && !text.contains('"') => {
            LogicalType::Other(text.replace("UHUGEINT", EXACT).replace("HUGEINT", EXACT))
        }
        of => of.clone(),
    }
}

/// The type for integers of more than 64 bits in a Parquet file.
const EXACT: &str = "DECIMAL(38,0)";

/// Whether a header name is safe as DuckDB writes it: it does not quote separators other than a comma, at which
/// a reader would split the name.
fn is_plain(name: &str) -> bool {
    !name.contains([';', '\t', '|'])
}

/// The header line, with every name in quotes.
fn header(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
    format!("{}\n", names.join(","))
}

fn join(header: &str, rows: &Path, to: &Path) -> io::Result<()> {
    let mut file = File::create(to)?;
    file.write_all(header.as_bytes())?;
    io::copy(&mut File::open(rows)?, &mut file)?;
    Ok(())
}
