//! The origins of sink rows: for each row the record and the request whose answer it holds.

use duckdb::{Connection, params};

use super::{Run, StoreError};

/// The origin of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The value of the row's key column, or the record's key if it has none.
    pub row: String,
    /// The record's key.
    pub record: String,
    /// The request whose answer it holds.
    pub request: String,
}

/// Adds unknown origins, within the caller's transaction.
pub(super) fn add(
    connection: &Connection,
    run: Run,
    server: &str,
    target: &str,
    origins: &[&Origin],
) -> Result<(), StoreError> {
    if origins.is_empty() {
        return Ok(());
    }
    {
        let mut appender = connection.appender("staged_origins")?;
        for origin in origins {
            appender.append_row(params![origin.row, origin.record, origin.request])?;
        }
        appender.flush()?;
    }
    connection.execute(
        "INSERT INTO etl.origins
         SELECT DISTINCT $1, s.row_key, s.record, s.request, $2, $3 FROM staged_origins AS s
         ANTI JOIN (SELECT row_key, request FROM etl.origins WHERE target = $1 AND server = $2) AS o
             ON o.row_key = s.row_key AND o.request = s.request",
        params![target, server, run.0],
    )?;
    connection.execute_batch("TRUNCATE staged_origins")?;
    Ok(())
}
