//! The rows of a Parquet file, streamed as DuckDB reads them.

use std::{ops::ControlFlow, sync::Arc};

use crate::{
    files::FileSet,
    record::{LogicalType, Value, quote, same_name},
};

use super::{
    super::{BadLine, Description, FileDescription, Options, ReadError, Row, row::Output},
    Engine, message, pattern_of, pieces, stamp, value,
};

/// The rows of a file.
pub(in crate::read) fn rows(
    engine: &Engine,
    set: &FileSet,
    file: &FileDescription,
    options: &Options,
    description: &Description,
    output: &mut Output<'_>,
) -> Result<ControlFlow<()>, ReadError> {
    let path = set.locate(&file.path);
    let changed = || ReadError::changed(&file.path);
    if stamp(&path, &file.path)? != file.stamp {
        return Err(changed());
    }
    let fields = description.schema.fields();
    let mut selected = Vec::new();
    // After the values: the text of each value that does not fit its declared type.
    let mut checked = Vec::new();
    for (at, field) in fields.iter().enumerate() {
        let Some(name) = file.names.iter().find(|name| same_name(name, &field.name)) else {
            selected.push("NULL".to_owned());
            continue;
        };
        let (name, of) = (quote(name), field.datatype.sql());
        let carrier = field.datatype.carrier();
        if options.types.get(&field.name).is_none() {
            selected.push(match &field.datatype {
                of @ LogicalType::Json => of.carried(&name),
                _ => format!("CAST(CAST({name} AS {of}) AS {carrier})"),
            });
            continue;
        }
        selected.push(format!("CAST(TRY_CAST({name} AS {of}) AS {carrier})"));
        let lost = format!("{name} IS NOT NULL AND TRY_CAST({name} AS {of}) IS NULL");
        checked.push((at, format!("CASE WHEN {lost} THEN CAST({name} AS VARCHAR) END")));
    }
    selected.extend(checked.iter().map(|(_, sql)| sql.clone()));
    let damaged = |reason: String| ReadError::Damaged { file: Arc::clone(&file.path), reason };
    let failed = |error: &duckdb::Error, row: u64| {
        damaged(format!("{} (after row {row}); write the file again", message(error)))
    };
    let connection = engine.connection()?;
    let from = pieces::relation(connection, file, &pattern_of(&path)).map_err(|error| failed(&error, 0))?;
    let sql = format!("SELECT {} FROM {from}", selected.join(", "));
    let mut statement = connection.prepare(&sql).map_err(|error| failed(&error, 0))?;
    // The Arrow iterator panics if a later batch fails; reading row by row returns the error.
    drop(statement.stream_arrow([]).map_err(|error| failed(&error, 0))?);
    let mut rows = statement.raw_query();
    let mut line = 0;
    while let Some(row) = rows.next().map_err(|error| failed(&error, line))? {
        line += 1;
        let mut misfit = None;
        for (at, (column, _)) in checked.iter().enumerate() {
            let text = row.get_ref(fields.len() + at).map_err(|error| failed(&error, line))?;
            if let Some(Value::Text(text)) = value::value(text) {
                misfit =
                    Some(unfit(&file.path, line, &fields[*column].name, &fields[*column].datatype, &text));
            }
        }
        let flow = match misfit {
            Some(bad) => output.bad(bad),
            None => {
                let values = (0..fields.len()).map(|at| {
                    let found = row.get_ref(at).map_err(|error| failed(&error, line))?;
                    value::value(found).ok_or_else(|| {
                        let name = &fields[at].name;
                        damaged(format!("the column `{name}` has text in row {line} that is not UTF-8"))
                    })
                });
                let values = values.collect::<Result<Vec<Value>, ReadError>>()?;
                output.row(Row { values, file: Arc::clone(&file.path), line })
            }
        };
        if flow.is_break() {
            return Ok(flow);
        }
    }
    if line != file.rows {
        return Err(damaged(format!("it has {line} rows, and its footer counts {}", file.rows)));
    }
    match stamp(&path, &file.path)? == file.stamp {
        true => Ok(ControlFlow::Continue(())),
        false => Err(changed()),
    }
}

fn unfit(file: &Arc<str>, line: u64, column: &str, of: &LogicalType, text: &str) -> BadLine {
    let raw = super::super::row::excerpt(text.as_bytes());
    let reason =
        format!("the column `{column}` has the type {} in `types:`, and the value is `{raw}`", of.sql());
    BadLine { file: Arc::clone(file), line, reason, raw }
}
